"""Write docs/api.md, the public interface, from the docstrings of what `xrlab.__init__` names."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import xrlab

PAGE = Path(__file__).parent.parent / "docs" / "api.md"
INTRODUCTION = """\
<!-- Written by tools/write_api.py from the docstrings; do not edit. -->
# The public interface

All that other code may rely on: `import xrlab`, then these names. Each is loaded from its module
when it is first used. Lengths are in sites of the lattice, h and k in reciprocal lattice units
(r.l.u.); images have their rows along h and their columns along k. Whatever is random takes a
`seed` and comes out the same for the same one.
"""


def modules() -> dict[str, list[str]]:
    """Public names by the module that has them, both in the order of the stub."""
    stub = Path(xrlab.__file__).with_suffix(".pyi").read_text(encoding="utf-8")
    found: dict[str, list[str]] = {}
    for module, name in re.findall(r"^from \.(\w+) import (\w+) as \2$", stub, re.MULTILINE):
        found.setdefault(module, []).append(name)
    return found


def members(kind: type) -> Iterator[tuple[str, Any]]:
    """Public methods and properties that a class defines itself, in their order."""
    for name, value in vars(kind).items():
        if not name.startswith("_") and (
            inspect.isfunction(value) or isinstance(value, classmethod | staticmethod | property)
        ):
            yield name, value if isinstance(value, property) else getattr(kind, name)


def summary(thing: Any) -> str:
    """First paragraph of a docstring, on one line."""
    return " ".join((inspect.getdoc(thing) or "").split("\n\n")[0].split())


def call(name: str, thing: Any) -> str:
    """How a thing is called: without annotations, long defaults by their type."""
    if isinstance(thing, property):
        return name
    parameters = [
        each.replace(annotation=each.empty, default=_short(each.default))
        for each in inspect.signature(thing).parameters.values()
        if each.name != "self"
    ]
    text = name + str(inspect.Signature(parameters))
    return textwrap.fill(text, 88, subsequent_indent="    ", break_long_words=False)


def _short(default: Any) -> Any:
    shown = default is inspect.Parameter.empty or len(repr(default)) < 24
    return default if shown else _Shown(default)


class _Shown:
    """Stands for a default value that is long to write."""

    def __init__(self, value: object) -> None:
        self.kind = type(value).__name__

    def __repr__(self) -> str:
        return f"{self.kind}()"


def markdown(docstring: str) -> str:
    """Turn a NumPy docstring into Markdown: sections, lists of parameters, tables, examples."""
    body, *rest = re.split(r"^(\w[\w ]*)\n-{3,}\n", docstring, flags=re.MULTILINE)
    parts = [_prose(body)]
    for title, text in zip(rest[::2], rest[1::2], strict=True):
        parts.append(f"**{title}**")
        parts.append(_prose(text) if title in ("Examples", "Notes") else _entries(text))
    return "\n\n".join(part for part in parts if part)


def _prose(text: str) -> str:
    """Paragraphs; examples and tables become blocks that are shown as they are."""
    blocks = []
    for block in re.split(r"\n\s*\n", text.strip("\n")):
        if block.lstrip().startswith(">>>"):
            blocks.append(f"```pycon\n{inspect.cleandoc(block)}\n```")
        elif "====" in block:
            blocks.append(f"```text\n{inspect.cleandoc(block)}\n```")
        else:
            blocks.append(_inline(" ".join(block.split())))
    return "\n\n".join(block for block in blocks if block)


def _entries(text: str) -> str:
    """Lines that begin at the margin name something; those below, moved in, tell of it."""
    lines = []
    for head, told in re.findall(
        r"^(\S.*)\n((?:[ ]+.*\n?|\n)*)", text.rstrip() + "\n", re.MULTILINE
    ):
        name, _, kind = head.partition(" : ")
        first = f"- `{name}`" + (f", {_inline(kind)}" if kind else "")
        paragraphs = _prose(inspect.cleandoc(told))
        if "\n" in paragraphs:
            lines += [first, "", *(f"  {line}".rstrip() for line in paragraphs.split("\n")), ""]
        else:
            lines.append(first + (f": {paragraphs}" if paragraphs else ""))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _inline(text: str) -> str:
    """Keep <s> from being read as HTML, and a star in a formula from setting type, outside code."""
    parts = re.split(r"(``.+?``|`.+?`)", text)
    for n, part in enumerate(parts):
        if part.startswith("`"):
            parts[n] = f"`{part.strip('`')}`"
        else:
            words = re.split(r"\*\*(\w+\*?)\*\*", part.replace("<", "&lt;"))
            escaped = [word.replace("*", r"\*") for word in words]
            escaped[1::2] = [f"**{word}**" for word in escaped[1::2]]
            parts[n] = "".join(escaped)
    return "".join(parts)


def page() -> str:
    """Write the page."""
    contents, chapters = [], []
    for module, names in modules().items():
        contents.append(f"- `xrlab.{module}`")
        for name in names:
            thing = getattr(xrlab, name)
            contents.append(f"  - [{name}](#{name.lower()}): {_inline(summary(thing))}")
            chapters.append(_chapter(name, thing, level=2))
            if inspect.isclass(thing):
                chapters += [_chapter(f"{name}.{m}", v, level=3) for m, v in members(thing)]
    return "\n".join([INTRODUCTION, *contents, "", "\n\n".join(chapters), ""])


def _chapter(name: str, thing: Any, level: int) -> str:
    anchor = f'<a id="{name.lower()}"></a>'
    told = markdown(inspect.getdoc(thing) or "")
    shown = call(name if level == 3 else f"xrlab.{name}", thing)
    code = "" if isinstance(thing, property) else f"```text\n{shown}\n```\n\n"
    return f"{'#' * level} {anchor}{name}\n\n{code}{told}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8", newline="\n")
    print(f"wrote {PAGE.relative_to(PAGE.parents[1])}")
