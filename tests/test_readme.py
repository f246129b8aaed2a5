"""README, changelog and the pages in docs/: their length, figures, links, commands and code."""

import json
import re
from importlib.util import find_spec
from pathlib import Path
from pkgutil import resolve_name

import pytest
import write_tables

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
PUBLISHED = {2: 0.997, 3: 0.986, 4: 0.974}  # R² of the study of 2023, 5000 training images

every_page = pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)


def card(name: str) -> dict:
    """The card of a network."""
    return json.loads((ROOT / "xrlab" / "weights" / f"{name}.json").read_text(encoding="utf-8"))


def anchors(path: Path) -> set[str]:
    """The anchors of a page: those of its headings on GitHub, and <a id=...>."""
    text = path.read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return slugs | set(re.findall(r'<a id="([^"]+)"', text))


def test_readme_is_short():
    """At most 90 lines; everything else has a page in docs/."""
    assert len(README.splitlines()) <= 90


# Figures


@pytest.mark.parametrize("name", ["README.md", "docs/results.md"])
def test_tables_are_in_step(name):
    """The tables are those of the notebooks and cards of today."""
    page = (ROOT / name).read_text(encoding="utf-8")
    assert "<!-- table: " in page
    assert page == write_tables.filled(page), "run: python tools/write_tables.py"


@pytest.mark.parametrize("span", PUBLISHED)
def test_figures_of_simulated_images_are_those_of_the_cards(span):
    """R² of the network and of ΔPDF, rounded, and the number of test images."""
    (row,) = re.findall(rf"^\| (\d+) simulated, span {span} \|(.*)$", README, re.MULTILINE)
    test = card(f"cfs{span}")
    assert int(row[0]) == test["samples"]["test"]
    r2 = [test[key]["r2"] for key in ("test", "test_delta_pdf")]
    assert [float(x) for x in re.findall(r"0\.\d{3}", row[1])] == [
        *(round(value, 3) for value in r2),
        PUBLISHED[span],
    ]


def test_figures_of_measurements_are_those_of_the_card():
    """R² of the network for measured images and of the best cleaned ΔPDF, rounded."""
    for name, words in write_tables.TRIALS.items():
        (row,) = (line for line in README.splitlines() if f"measurements, {words} |" in line)
        test = card("measured")["test"][name]
        figures = [round(test[key], 3) for key in ("r2", "delta_pdf_r2")]
        assert [float(x) for x in re.findall(r"0\.\d{3}", row)] == figures
        assert row.startswith(f"| {card('measured')['tested_on']['images']} ")


def test_readme_has_no_other_figures():
    """Results are in the tables alone, which are checked."""
    prose = re.sub(r"```.*?```|^\|.*?$|\]\(.*?\)", "", README, flags=re.DOTALL | re.MULTILINE)
    assert re.findall(r"\d+\.\d+|\d+ ?%", prose) == []


def test_every_network_of_the_tables_has_its_command():
    """The page of results names the command on each card."""
    page = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    for path in (ROOT / "xrlab" / "weights").glob("*.json"):
        made = card(path.stem)
        stages = [stage for stage in made.get("stages", []) if isinstance(stage, dict)]
        assert all(f"`{stage['command']}`" in page for stage in stages or [made]), path.stem


# Links, commands and code


@every_page
def test_links_lead_somewhere(path):
    """Files exist, and so do the places in them."""
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" not in target:
            name, _, anchor = target.partition("#")
            linked = path.parent / name if name else path
            assert linked.is_file(), f"{target}: there is no such file"
            assert not anchor or anchor in anchors(linked), f"{target}: no such place"


@every_page
def test_names_and_commands_exist(path):
    """Modules that are run, targets of make, and names of the package in code."""
    text = path.read_text(encoding="utf-8")
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(re.findall(r"(?:`|^)make (\w+)", text, re.MULTILINE)) <= set(targets)
    for module in re.findall(r"python -m (xrlab[\w.]*)", text):
        assert find_spec(module), module
    for script in re.findall(r"python ((?:tools|benchmarks)/\w+\.py)", text):
        assert (ROOT / script).is_file(), script
    if path.stem != "glossary":  # tests/test_glossary.py looks at those
        for name in re.findall(r"`(xrlab(?:\.\w+)+)`", text):
            resolve_name(name)


@pytest.mark.parametrize("name", ["README.md", "docs/python.md"])
def test_first_example_runs(name):
    """It gives an estimate for each of the three correlations."""
    code = re.search(r"```python\n(.*?)```", (ROOT / name).read_text("utf-8"), re.DOTALL)[1]
    names: dict = {}
    exec(code, names)
    assert names["result"].encoding.span == 2
    assert names["result"].standard_error.shape == (3,)
