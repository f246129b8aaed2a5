"""Every term and symbol, from one source: look one up, or write the glossary and the cheat sheet.

The source is ``glossary.yaml`` beside this module; ``docs/glossary.md`` and ``docs/cheat_sheet.md``
are written from it by ``tools/write_glossary.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files

import yaml

from xrlab.drawing.tables import markdown_table

# Where the notebooks find the glossary.
GLOSSARY = "../docs/glossary.md"

# What `link_symbols` leaves alone, and words that it takes for a symbol.
_KEPT = (
    r"```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$\n]+\$|!?\[[^\]]*\]\([^)]*\)"
    r"|<details>.*?</details>|<[^>]+>|^#.*?$|^\*\*[^*\n]*\*\*$"
)

_SPOKEN = {"h and k": "h, k"}
_AMBIGUOUS = {"p"}  # a probability in notebook 9, the weights of a certificate in the glossary

COMMANDS = {
    "Encoding.from_vector([0.6, 0.3, 0.2])": "c(0, 1), c(1, 0), c(1, 1)",
    "encoding.violations()": "the necessary conditions that it violates, [] if none",
    'simulate(encoding, size=50, sampler="monte_carlo", seed=0)': "a lattice; .sites, .realised",
    "diffraction_image(lattice, lot_size=25, lots=8, seed=0)": "its image, 64 × 64",
    "expected_image(encoding)": "its expected image, without speckle",
    "delta_pdf(image, span=4, lot_size=25)": "estimate by Fourier inversion",
    "maximum_likelihood(image, span=4)": "estimate from the speckle statistics, with covariance",
    'predict(images, span=4, kind="measured")': "estimates of a network, standard errors",
    "read_image(path)": "a measured image, NaN where unmeasured",
    "interpret(image, span=4)": "estimate, errors, warnings; .figure(), .to_dict()",
}


@dataclass(frozen=True)
class Term:
    """One entry of the glossary.

    Parameters
    ----------
    id : str
        Anchor in the glossary.
    term, definition : str
        Name, and one sentence that may hold **bold** type and `code`.
    symbol, unit, formula : str
        Empty where there is none.
    also : tuple of str
        Other names.
    where : str
        Name in the package.
    notebook : int, optional
        The first one that uses it.
    see : tuple of str
        Ids of other terms.
    short : str
        What the cheat sheet says where there is neither formula nor unit.
    sheet : bool
        Whether it is on the cheat sheet.
    group : str
        Title of its part of the glossary.
    """

    id: str
    term: str
    definition: str
    symbol: str = ""
    unit: str = ""
    formula: str = ""
    also: tuple[str, ...] = ()
    where: str = ""
    notebook: int | None = None
    see: tuple[str, ...] = ()
    short: str = ""
    sheet: bool = True
    group: str = ""

    @property
    def heading(self) -> str:
        """Name, with the symbol where it differs."""
        return f"{self.term}, {self.symbol}" if self.symbol not in ("", self.term) else self.term

    def facts(self) -> Iterator[tuple[str, str]]:
        """Yield what is known besides the definition, as (word, text)."""
        yield from (
            (word, text)
            for word, text in (
                ("formula", self.formula),
                ("unit", self.unit),
                ("in the package", self.where),
                ("first notebook", "" if self.notebook is None else str(self.notebook)),
                ("also called", ", ".join(self.also)),
            )
            if text
        )

    def _repr_markdown_(self) -> str:
        return f"**{_plain(self.heading)}**: {_plain(self.definition)}" + "".join(
            f"<br>*{word}*: {_plain(text)}" for word, text in self.facts()
        )


@cache
def terms() -> tuple[Term, ...]:
    """Read all terms, in the order of explanation.

    Raises
    ------
    ValueError
        If the source is damaged: an unknown field, an id twice, or a link to no term.

    Examples
    --------
    >>> [term.symbol for term in terms() if term.group == "Samplers"]
    ['', '', '', '', 'λ(i, j)']
    """
    source = files("xrlab.course").joinpath("glossary.yaml").read_text(encoding="utf-8")
    return parse(source)


def parse(source: str) -> tuple[Term, ...]:
    """Make the terms of a glossary written in YAML; see `terms`."""
    entries: dict[str, Term] = {}
    for group in yaml.safe_load(source):
        for entry in group["terms"]:
            also, see = (tuple(entry.pop(key, ())) for key in ("also", "see"))
            try:
                term = Term(**entry, also=also, see=see, group=group["title"])
            except TypeError as error:
                raise ValueError(f"glossary entry {entry.get('id')!r}: {error}") from None
            if term.id in entries:
                raise ValueError(f"the glossary has two entries {term.id!r}: give one another id")
            entries[term.id] = term
    for term in entries.values():
        for other in term.see:
            if other not in entries:
                raise ValueError(f"glossary entry {term.id!r} links to {other!r}, which is none")
    return tuple(entries.values())


def look_up(name: str) -> Term:
    """Find a term by its name, symbol, id or another name, in capitals or not.

    Raises
    ------
    ValueError
        If there is none; the message has names that are nearly the same.

    Examples
    --------
    >>> look_up("c(i, j)").term
    'correlation'
    >>> look_up("speckles")
    Traceback (most recent call last):
    ...
    ValueError: the glossary has no 'speckles'; it has 'speckle', ...
    """
    names: dict[str, Term] = {}
    for kind in ("id", "term", "symbol", "also"):  # a term's own name before others'
        for term in terms():
            value = getattr(term, kind)
            for each in (value,) if isinstance(value, str) else value:
                names.setdefault(each.casefold(), term)
    match = names.get(name.strip().casefold()) if name.strip() else None
    if match is None:
        near = get_close_matches(name.casefold(), [each for each in names if each], 3, 0.5)
        hint = f"it has {', '.join(map(repr, near))}" if near else "see glossary.terms() for all"
        raise ValueError(f"the glossary has no {name!r}; {hint}")
    return match


def link(name: str, words: str | None = None) -> str:
    """Write a Markdown link from a notebook to a term.

    >>> link("ΔPDF")
    '[ΔPDF](../docs/glossary.md#delta-pdf)'
    """
    return f"[{_plain(words or name)}]({GLOSSARY}#{look_up(name).id})"


def link_symbols(text: str, linked: set[str]) -> str:
    """Link the first mention of every symbol in the Markdown of a notebook to the glossary.

    Code, formulas, headings, links, lines in bold type and folded parts stay as they are.

    Parameters
    ----------
    text : str
    linked : set of str
        Ids of terms that have their link already; those that get one here are added.

    Examples
    --------
    >>> link_symbols("The code `c(i, j)` is c(i, j), and c(i, j) again.", set())
    'The code `c(i, j)` is [c(i, j)](../docs/glossary.md#correlation), and c(i, j) again.'
    """
    symbols = {term.symbol: term for term in terms() if term.symbol not in ("", *_AMBIGUOUS)}
    symbols |= {words: symbols[symbol] for words, symbol in _SPOKEN.items() if symbol in symbols}
    longest_first = sorted(symbols, key=len, reverse=True)
    names = "|".join(re.escape(each).replace(r"\ ", r"\s+") for each in longest_first)
    alone = rf"(?<![\w²³'/.])(?<!\w\()(?P<symbol>{names})(?![\w²³'’(/])"

    def replace(match: re.Match[str]) -> str:
        words = match[0]
        if match["symbol"] is None:
            return words
        term = symbols[" ".join(words.split())]
        if term.id in linked:
            return words
        linked.add(term.id)
        return link(term.id, words)

    return re.sub(rf"{_KEPT}|{alone}", replace, text, flags=re.DOTALL | re.MULTILINE)


def glossary_markdown() -> str:
    """Write the whole glossary as Markdown."""
    lines = [
        "<!-- Written by tools/write_glossary.py from xrlab/course/glossary.yaml; do not edit. -->",
        "# Glossary",
        "",
        "All terms in the order of explanation. A summary is on the [cheat sheet](cheat_sheet.md).",
        "",
        "Symbols: "
        + " · ".join(f"[{_plain(term.symbol)}](#{term.id})" for term in terms() if term.symbol),
    ]
    for group, members in _groups():
        lines += ["", f"## {group}"]
        for term in members:
            lines += [
                "",
                f'### <a id="{term.id}"></a>{_plain(term.heading)}',
                "",
                _plain(term.definition),
                "",
            ]
            lines += [f"- {word}: {_fact(word, text)}" for word, text in term.facts()]
            if term.see:
                links = (f"[{_plain(_by_id(each).term)}](#{each})" for each in term.see)
                lines.append(f"- see: {', '.join(links)}")
    return "\n".join(lines) + "\n"


def cheat_sheet_markdown() -> str:
    """Write one page: symbols and formulas, each linked to the glossary, and the commands."""
    lines = [
        "<!-- Written by tools/write_glossary.py from xrlab/course/glossary.yaml; do not edit. -->",
        "# Cheat sheet",
        "",
        "Each name links to the [glossary](glossary.md).",
    ]
    for group, members in _groups(sheet=True):
        rows = [
            (
                f"[{_plain(term.term)}](glossary.md#{term.id})",
                _cell(term.symbol),
                _cell(_formula_and_unit(term)),
            )
            for term in members
        ]
        lines += ["", f"## {group}", "", markdown_table(["term", "symbol", "in short"], rows)]
    commands = [(f"`{command}`", _cell(what)) for command, what in COMMANDS.items()]
    lines += ["", "## Commands", "", markdown_table(["`xrlab.` …", "gives"], commands)]
    return "\n".join(lines) + "\n"


def _groups(sheet: bool = False) -> Iterator[tuple[str, list[Term]]]:
    """Yield the groups with their terms, or with those on the cheat sheet."""
    members: dict[str, list[Term]] = {}
    for term in terms():
        if term.sheet or not sheet:
            members.setdefault(term.group, []).append(term)
    yield from members.items()


def _by_id(name: str) -> Term:
    return next(term for term in terms() if term.id == name)


def _formula_and_unit(term: Term) -> str:
    return "; ".join(text for text in (term.formula, term.unit) if text) or term.short


def _fact(word: str, text: str) -> str:
    return f"`{text}`" if word == "in the package" else _plain(text)


def _plain(text: str) -> str:
    """Escape what Markdown would take for its own, but for **bold** type and `code`."""
    # A dollar would begin a formula, an underscore, an asterisk or < other type.
    parts = re.split(r"(\*\*[^*]+\*?\*\*|`[^`]+`)", text)
    parts[::2] = [re.sub(r"([$_*<])", r"\\\1", part) for part in parts[::2]]
    return "".join(parts)


def _cell(text: str) -> str:
    return _plain(text).replace("|", "\\|")
