"""Tests of the nightly workflow: its form, its pins and rights, and that its steps exist."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
NIGHTLY = yaml.safe_load((ROOT / ".github/workflows/nightly.yml").read_text(encoding="utf-8"))
JOBS = NIGHTLY["jobs"]
# What a job may do besides reading the code, and may not do without a reason.
RIGHTS = {"publish": {"pages": "write", "id-token": "write"}, "report": {"issues": "write"}}

every_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)


def commands(job: str) -> list[str]:
    """Shell commands of a job."""
    return [step["run"] for step in JOBS[job]["steps"] if "run" in step]


def made(text: str) -> list[str]:
    """Targets of every call of make in a text, in order."""
    return re.findall(r"(?:\$\(MAKE\)|\bmake) (\w+)", text)


# Form


@every_workflow
def test_workflow_fits_the_schema(path):
    """GitHub's own schema of workflows, which check-jsonschema brings along, has no objection."""
    done = check_schema(path, "github-workflows")
    assert done.returncode == 0, done.stdout


def test_schema_finds_faults(tmp_path):
    """The check above can fail: a job without a runner, and an unknown right, are refused."""
    bad = tmp_path / "bad.yml"
    bad.write_text("on: push\njobs:\n  one:\n    permissions: {issues: maybe}\n    steps: []\n")
    assert check_schema(bad, "github-workflows").returncode == 1


def check_schema(path: Path, schema: str) -> subprocess.CompletedProcess:
    """Hold a file against a schema that check-jsonschema brings along."""
    pytest.importorskip("check_jsonschema", reason="check-jsonschema is not installed")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}"]
    return subprocess.run([*command, path], capture_output=True, text=True, check=False)


# Pins, limits and rights


@every_workflow
def test_actions_are_pinned_by_commit(path):
    """Every action is named by a commit, which cannot be moved, with its version beside it."""
    used = re.findall(r"uses: (.*)", path.read_text(encoding="utf-8"))
    assert used
    for action in used:
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action


@every_workflow
def test_jobs_end_and_name_their_system(path):
    """Every job has a limit that GitHub allows, and a system that does not change by itself."""
    for job in yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values():
        assert job["timeout-minutes"] <= 360
        systems = job.get("strategy", {}).get("matrix", {}).get("system", [job["runs-on"]])
        assert not any("latest" in system for system in systems)


def test_rights_are_the_least():
    """The code may be read; only publishing and reporting may write, each its own thing."""
    assert NIGHTLY["permissions"] == {"contents": "read"}
    assert {
        name: job["permissions"] for name, job in JOBS.items() if "permissions" in job
    } == RIGHTS
    for job in JOBS.values():
        for step in job["steps"]:
            if "checkout" in step.get("uses", ""):
                assert step["with"]["persist-credentials"] is False


# What it does


def test_series_runs_on_three_systems_every_night():
    """Tests too, on Linux, macOS, Windows; on Sundays the full profile, by the schedule's line."""
    assert {"make pytest PYTHON=python", "make nbval PYTHON=python"} <= set(commands("notebooks"))
    systems = JOBS["notebooks"]["strategy"]["matrix"]["system"]
    assert [system.split("-")[0] for system in systems] == ["ubuntu", "macos", "windows"]
    assert JOBS["notebooks"]["strategy"]["fail-fast"] is False
    lines = [line["cron"] for line in NIGHTLY[True]["schedule"]]  # YAML reads "on" as true
    days = [line.split()[-1] for line in lines]
    assert days == ["1-6", "0"]
    assert f"github.event.schedule == '{lines[1]}' && 'full'" in NIGHTLY["env"]["PROFILE"]
    assert NIGHTLY[True]["workflow_dispatch"]["inputs"]["profile"]["options"] == ["fast", "full"]


def test_every_step_is_a_target_of_the_makefile():
    """So is every variable that it sets; the target "nightly" has its steps in their order."""
    targets = set(re.findall(r"^(\w+):", MAKEFILE, re.MULTILINE))
    variables = set(re.findall(r"^(\w+) \?=", MAKEFILE, re.MULTILINE))
    used = "\n".join(command for job in JOBS for command in commands(job) if "make " in command)
    steps = ["run", "editions", "pytest", "nbval", "small", "fuzz", "book", "site"]
    jobs = [commands(job) for job in ("notebooks", "small", "fuzz", "book")]
    assert [target for each in jobs for target in made(" ".join(each))] == steps
    assert made(re.search(r"^nightly:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)[1]) == steps
    assert set(made(used)) == set(steps) <= targets
    assert set(re.findall(r"\b([A-Z]+)=", used)) == {"PROFILE", "PYTHON", "BUILDS"} <= variables


@pytest.mark.skipif(shutil.which("make") is None, reason="no make on this computer")
def test_make_understands_the_variables():
    """The profile and the folders of the book reach the tools."""
    shown = subprocess.run(
        ["make", "--dry-run", "run", "book", "PROFILE=full", "BUILDS=one two"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    ).stdout
    assert "run_notebooks.py --profile full" in shown
    assert "write_book.py one two" in shown


def test_nbval_has_a_limit_for_each_cell():
    """The notebooks are tested with the environment at hand, and no cell for ever."""
    (nbval,) = re.findall(r"pytest .*(--nbval-lax(?:.*\\\n)*.*)", MAKEFILE)
    assert {"--nbval-current-env", "--nbval-cell-timeout=1200", "notebooks"} <= set(nbval.split())


def test_results_are_kept_whatever_happens():
    """The executed notebooks are kept after a failure too, and the book is made of all three."""
    keep = JOBS["notebooks"]["steps"][-1]
    assert "upload-artifact" in keep["uses"]
    assert "always()" in keep["if"]
    assert keep["with"]["path"] == "build/"
    systems = JOBS["notebooks"]["strategy"]["matrix"]["system"]
    book, site = commands("book")
    assert re.search(r'BUILDS="(.*)"', book)[1].split() == [f"executed/{each}" for each in systems]
    assert site.endswith("build/book/playground")
    assert JOBS["book"]["steps"][-1]["with"]["path"] == "build/book"


# The report


def test_report_waits_for_every_other_job():
    """Whichever job fails, or runs out of time, there is a report."""
    assert set(JOBS["report"]["needs"]) == set(JOBS) - {"report"}
    condition = JOBS["report"]["if"]
    assert "'failure'" in condition
    assert "'cancelled'" in condition


@pytest.mark.skipif(os.name == "nt", reason="the report's script needs bash")
@pytest.mark.parametrize(("open_issues", "expected"), [("", "create"), ("17", "comment 17")])
def test_report_opens_one_issue_only(tmp_path, open_issues, expected):
    """Where an issue is open it gets a comment; a new one is opened only where there is none."""
    log = tmp_path / "log"
    gh = tmp_path / "gh"
    answer = f'if [ "$1 $2" = "issue list" ]; then echo {open_issues}; fi'
    gh.write_text(f'#!/bin/sh\necho "$@" >> {log}\n{answer}\n')
    gh.chmod(0o755)
    (script,) = commands("report")
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "TEXT": "it `failed`; $(oh)"}
    subprocess.run(["bash", "-eo", "pipefail", "-c", script], env=environment, check=True)
    label, search, act, *rest = log.read_text().splitlines()
    assert label.startswith("label create nightly --force")
    assert "--label nightly --state open" in search
    assert act.startswith(f"issue {expected} ")
    assert act.endswith("--body it `failed`; $(oh)")
    assert rest == []
