"""The glossary against the package, the notebooks and the pages written from it."""

import re
import xml.etree.ElementTree as ET
from pkgutil import resolve_name

import numpy as np
import pytest
import run_notebooks
import write_glossary

import xrlab
from tests.series import NOTEBOOKS, ROOT, cells, every_notebook, words
from xrlab import Encoding
from xrlab.course import glossary
from xrlab.crystal import speckle
from xrlab.crystal.encoding import vector_length
from xrlab.crystal.samplers import GAIN, SAMPLERS
from xrlab.trials import trial

TERMS = glossary.terms()
WANTED = """c(i, j); encoding; CFS-n; vector; span; half-plane encoding; target encoding;
    realised encoding; ensemble encoding; lattice; site; concentration; h, k; r.l.u.;
    reciprocal cell; Bragg peak; diffuse scattering; Laue monotonic unit; form factor; envelope;
    background; spectrum; S(h, k); lots; lot size; speckle; ΔPDF; maximum likelihood;
    Cramér–Rao bound; CNN; epoch; over-fitting; R²; MSE; MAE; coverage; standard error;
    calibration; transfer; realisable; certificate; monte_carlo; gaussian; growth;
    maximum entropy; jackknife; cross-validation; M; L; N; w(i, j); E(h, k); B(h, k)"""

every_term = pytest.mark.parametrize("term", TERMS, ids=lambda term: term.id)


@pytest.mark.parametrize("name", [name.strip() for name in WANTED.replace("\n", " ").split(";")])
def test_wanted_terms_are_found(name):
    """By name, symbol or another name, in capitals or not."""
    assert glossary.look_up(name) is glossary.look_up(f" {name.upper()} ")


@every_term
def test_where_is_a_name_of_the_package(term):
    """What an entry names in the package is there."""
    assert term.where.startswith("xrlab.")
    parts = term.where.split(".")
    try:
        resolve_name(term.where)
    except AttributeError:  # a field without a default is no attribute of its class
        assert parts[-1] in resolve_name(".".join(parts[:-1])).__annotations__


@every_term
def test_first_notebook_uses_the_term(term):
    """The notebook named is there, and has the word."""
    if term.notebook is None:
        return
    text = " ".join(cell.source for cell in cells(NOTEBOOKS[term.notebook]))
    text = " ".join(text.replace("*", "").split()).casefold()
    symbols = [term.symbol] if len(term.symbol) > 1 else []
    formula = [term.formula.split(" = ")[-1].split(", ")[0]] if term.formula else []
    names = [name.casefold() for name in (term.term, *term.also, *symbols, *formula)]
    assert any(name in text for name in names), names


@every_term
def test_definition_is_one_plain_sentence(term):
    """It begins with a capital, has one full stop, at its end, and at most 45 words."""
    text = re.sub(r"r\.l\.u\.|\d\.\d", "", term.definition)
    assert re.match(r"[A-ZΔR]", text)
    assert text.endswith(".")
    assert text.count(".") == 1
    assert len(text.split()) <= 45


def test_symbols_are_unambiguous():
    """No two entries have one symbol, so that every symbol can link to its own."""
    symbols = [term.symbol for term in TERMS if term.symbol]
    assert len(symbols) == len(set(symbols))


def test_formulas_agree_with_the_code():
    """Numbers that the glossary states, from the code or a second way."""
    assert [vector_length(n) for n in (2, 3, 4)] == [3, 8, 15]
    assert "3, 8, 15" in glossary.look_up("vector").formula
    assert [n * n - 1 + (n - 1) ** 2 for n in (2, 3, 4)] == [4, 12, 24]
    assert "4, 12, 24" in glossary.look_up("half-plane").formula
    assert trial.NINETY == 1.645
    assert all("1.645" in glossary.look_up(name).formula for name in ("coverage", "calibration"))
    assert GAIN == 0.5
    assert "gains ½" in glossary.look_up("monte_carlo").formula
    samplers = {term.term for term in TERMS if term.group == "Samplers"}
    assert set(SAMPLERS) < samplers
    assert speckle.expected_grain(96, 48, 64) ** 2 == pytest.approx(
        1 / 64 + (1 - 1 / 64) * 4 / 9 * (48 / 96) ** 2, rel=0.01
    )


def test_delta_pdf_formula():
    """The formula c = <I cos> / (<I> w) over whole cells gives what delta_pdf gives."""
    image = xrlab.expected_image(Encoding.from_vector([0.4, 0.3, 0.2])).astype(float)
    whole, q = image[:-1, :-1], np.arange(63) * 2 / 63
    wave = np.cos(2 * np.pi * (q[:, None] * 1 + q[None, :] * 1))
    c11 = (whole * wave).mean() / whole.mean() / (1 - 1 / 25) ** 2
    assert xrlab.delta_pdf(image, 2, lot_size=25).matrix[1, 1] == pytest.approx(c11, abs=1e-6)


@pytest.mark.parametrize("name", ["glossary.md", "cheat_sheet.md"])
def test_pages_are_in_step_with_the_source(name):
    """The pages in docs/ are exactly what tools/write_glossary.py writes."""
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == write_glossary.pages()[name]


def test_links_lead_to_anchors():
    """Every link of both pages, and every link from a notebook, has its anchor."""
    page = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    anchors = re.findall(r'<a id="([\w-]+)">', page)
    assert len(anchors) == len(set(anchors)) == len(TERMS)
    sheet = (ROOT / "docs" / "cheat_sheet.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(#([\w-]+)\)", page) + re.findall(r"glossary\.md#([\w-]+)", sheet)
    for path in NOTEBOOKS:
        links += re.findall(r"docs/glossary\.md#([\w-]+)", path.read_text(encoding="utf-8"))
    assert set(links) <= set(anchors)
    assert {term.id for term in TERMS if term.symbol} <= set(links)


def test_cheat_sheet_has_no_empty_row():
    """Every row says something, and they are few enough for a page."""
    rows = re.findall(r"^\| \[.*", glossary.cheat_sheet_markdown(), re.MULTILINE)
    assert rows
    assert len(rows) < 50
    assert not [row for row in rows if row.endswith("|  |")]


@pytest.mark.parametrize("make", [glossary.glossary_markdown, glossary.cheat_sheet_markdown])
def test_html_is_well_formed(make):
    """An XML parser reads it, every link inside it has its target, and nothing is left of YAML."""
    tree = ET.fromstring(f"<main>{run_notebooks.as_page(make())}</main>")
    ids = {element.get("id") for element in tree.iter() if element.get("id")}
    links = {element.get("href", "") for element in tree.iter("a")}
    assert {link[1:] for link in links if link.startswith("#")} <= ids
    text = "".join(tree.itertext())
    assert "c(i, j) = (⟨s(x, y) s(x + i, y + j)⟩ − ⟨s⟩²) / (1 − ⟨s⟩²)" in text
    assert "**" not in text


def test_a_term_shows_itself_in_a_notebook():
    """Name, symbol, definition and facts, with what Markdown would misread escaped."""
    shown = glossary.look_up("net income")._repr_markdown_()
    assert shown.startswith("**net income**: Annual sales minus all costs")
    assert r"*unit*: \$ per year" in shown


def test_links_from_a_notebook():
    """They name the page and the anchor; other words may stand in the text."""
    assert glossary.link("S(h, k)", "the pattern") == (
        "[the pattern](../docs/glossary.md#spectrum)"
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("speckels", "it has 'speckle'"),
        ("qqqqq", "see glossary.terms"),
        ("", "no ''"),
        ("  ", "has no"),
    ],
)
def test_unknown_terms_are_named(name, message):
    """With what is nearly the same, where there is such a thing."""
    with pytest.raises(ValueError, match=message):
        glossary.look_up(name)


ONE = "- title: t\n  terms:\n    - {id: a, term: a, definition: A.%s}\n"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (ONE % ", colour: red", "'a'.*colour"),
        (ONE % "" + "    - {id: a, term: b, definition: B.}\n", "two entries 'a'"),
        (ONE % ", see: [b]", "'a' links to 'b'"),
        ("- title: t\n  terms:\n    - {term: a}\n", "missing"),
    ],
)
def test_a_damaged_source_is_refused(source, message):
    """With the entry that is wrong."""
    with pytest.raises(ValueError, match=message):
        glossary.parse(source.replace(".,", "x,").replace(".}", "x}"))


# Links from the notebooks


@every_notebook
def test_every_symbol_links_once(path):
    """Each symbol that a notebook's running text uses has its link, and not two."""
    text = words(path)
    links = re.findall(r"\[([^\]]+)\]\(\.\./docs/glossary\.md#([\w-]+)\)", text)
    by_symbol = {term.symbol: term.id for term in TERMS if term.symbol}
    spelled = [" ".join(said.split()) for said, _ in links]
    assert len(spelled) == len(set(spelled))
    for pattern in (r"\$\$.*?\$\$", r"<details>.*?</details>", r"\[[^\]]*\]\([^)]*\)", "`[^`]*`"):
        text = re.sub(pattern, " ", text, flags=re.DOTALL)
    prose = "\n".join(line for line in text.splitlines() if not line.startswith(("#", "**", "$")))
    # Those that nothing else could be: a single letter may stand for something else.
    used = {symbol for symbol in by_symbol if len(symbol) > 3 and f" {symbol} " in prose}
    assert {by_symbol[symbol] for symbol in used} <= {name for _, name in links}


@pytest.mark.parametrize(
    "text",
    [
        "`c(i, j)`",
        "$$c(i, j) = 1$$ and $R²$",
        "## The R² of N lots",
        "**What is c(i, j)?**",
        "<details><summary>Hint</summary>c(i, j)</details>",
        "![S(h, k)](picture.png)",
        "F(h, k), σ², Laue, N's, maximum",
        "```\nc(i, j)\n```",
    ],
)
def test_symbols_in_code_formulas_and_headings_stay(text):
    """Nothing is linked where a link would break something or mean something else."""
    assert glossary.link_symbols(text, set()) == text


def test_symbols_are_linked_where_they_are_met_first():
    """The longest symbol wins, over the end of a line too; a second run changes nothing."""
    linked = {"r2"}
    once = glossary.link_symbols("R² of S(h,\nk) at h and k, again S(h, k); **N** × N", linked)
    assert once == (
        "R² of [S(h,\nk)](../docs/glossary.md#spectrum) at [h and k](../docs/glossary.md#hk), "
        "again S(h, k); **[N](../docs/glossary.md#lattice)** × N"
    )
    assert linked == {"r2", "spectrum", "hk", "lattice"}
    assert glossary.link_symbols(once, linked) == once
