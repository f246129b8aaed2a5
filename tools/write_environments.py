"""Write environment.yml, binder/environment.yml and requirements.txt from requirements.lock.

The lock has everything, tests included. These three have what the course needs, each package at
the version of the lock: conda, Binder and `make install` all install the same.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
COURSE = ("cluster", "lab", "train")  # extras of pyproject.toml
BINDER = (*COURSE, "binder")
WRITTEN_BY = "# Written by tools/write_environments.py from requirements.lock; do not edit.\n"
HEAD = """\
name: xrlab
channels:
  - conda-forge
  - nodefaults
dependencies:
  - python=3.11
  - pip
  - pip:
"""


def wanted(extras: tuple[str, ...]) -> set[str]:
    """Names of the packages that pyproject.toml asks for, alone and with these extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = project.get("optional-dependencies", {})
    groups = [project["dependencies"], *(optional.get(extra, []) for extra in extras)]
    return {re.split(r"[\[<>=!~; ]", requirement)[0] for group in groups for requirement in group}


def pins(extras: tuple[str, ...] = COURSE) -> list[str]:
    """Lines of the lock, name==version ; marker, of what is wanted and of what that needs."""
    name_of: dict[str, str] = {}
    needed_by: dict[str, set[str]] = {}
    for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines():
        if "==" in line and not line.startswith((" ", "#")):
            name_of[line] = name = line.split("==")[0]
            needed_by.setdefault(name, set())
        elif line.startswith("    #"):
            needed_by[name].update(line.replace("# via", "#").split("#")[1].split()[:1])
    kept = wanted(extras)
    while more := {name for name, users in needed_by.items() if users & kept} - kept:
        kept |= more
    return [line for line, name in name_of.items() if name in kept]


def environment(extras: tuple[str, ...] = COURSE) -> str:
    """Text of an environment file."""
    return WRITTEN_BY + HEAD + "".join(f"      - {pin}\n" for pin in pins(extras))


def texts() -> dict[str, str]:
    """Names of the files, relative to the checkout, and what belongs into them."""
    return {
        "environment.yml": environment(),
        "binder/environment.yml": environment(BINDER),
        "requirements.txt": WRITTEN_BY + "".join(f"{pin}\n" for pin in pins()),
    }


if __name__ == "__main__":
    for name, text in texts().items():
        (ROOT / name).write_text(text, encoding="utf-8", newline="\n")
        print(f"wrote {name}")
