"""Find numbers in the text of an executed notebook that neither its outputs nor its code show.

``python tools/quoted_numbers.py build`` names each one with its cell. A number in a text is
supported if the code or an output of the notebook, or a published figure of the study, has a number
that rounds to it. Formulas, code in the text, links and folded hints and solutions do not count.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

import nbformat

from xrlab.course.study import PUBLISHED

# What is no quoted result: formulas, code, fenced code, links, folded text, references to files.
ASIDE = re.compile(
    r"\$\$.*?\$\$|\$[^$]+\$|```.*?```|`[^`]*`|\]\([^)]*\)|<details>.*?</details>|arXiv:[\d.]+",
    re.DOTALL,
)
# Numbers that a text itself defines or asks for: constants, settings, what to try.
GIVEN = {
    "00": (1.645,),  # the 90 % interval
    "01": (0.8,),  # a target to set
    "04": (0.66, 1.4826),  # the section of the file; MAD of a normal distribution
    "06": (1.645,),  # the 90 % interval
    "07": (1.66, 2.218, 1.41),  # the study's correction; sqrt 2
    "09": (0.6,),  # millions for experts: 1 without the network, 0.4 with it
    "10": (1.44,),  # bits in a nat
}
NUMBER = re.compile(r"(?<![\w.])[-−+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][-+]?\d+)?")
QUOTED = re.compile(r"(?<![\w.,])\d+\.\d+(?![\w.])")


def numbers(text: str) -> list[float]:
    """Return all numbers of a text, percentages as they stand."""
    return [float(each.replace("−", "-").replace(",", "")) for each in NUMBER.findall(text)]


def shown(notebook: nbformat.NotebookNode) -> list[float]:
    """Return the numbers in the code and in the printed outputs of a notebook."""
    texts = [str(PUBLISHED)]
    for cell in notebook.cells:
        if cell.cell_type == "code":
            texts.append(cell.source)
            for output in cell.get("outputs", []):
                data = output.get("data", {})
                texts += [output.get("text", ""), data.get("text/plain", "")]
                texts += [data.get("text/markdown", "")]
    return [abs(each) for text in texts for each in numbers("".join(text))]


def unsupported(notebook: nbformat.NotebookNode, given: Sequence[float] = ()) -> list[str]:
    """Name the decimal numbers of the text that nothing shown rounds to.

    Parameters
    ----------
    notebook : executed
    given : sequence of float
        What the text may say of itself.

    >>> from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
    >>> cells = [new_code_cell("x = 0.614"), new_markdown_cell("It is 0.61, not 0.62.")]
    >>> unsupported(new_notebook(cells=cells))
    ['cell 2: 0.62']
    """
    known = [*shown(notebook), *given]
    found = []
    for place, cell in enumerate(notebook.cells, start=1):
        if cell.cell_type != "markdown":
            continue
        for quoted in QUOTED.findall(ASIDE.sub(" ", cell.source)):
            value, digits = float(quoted), len(quoted.split(".")[1])
            half = 0.5 * 10**-digits * (1 + 1e-9)
            if not any(abs(each * scale - value) <= half for each in known for scale in (1, 100)):
                found.append(f"cell {place}: {quoted}")
    return found


def main() -> int:
    """Check every executed notebook of a folder."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "build")
    wrong = {
        path.name: unsupported(nbformat.read(path, as_version=4), GIVEN.get(path.name[:2], ()))
        for path in sorted(folder.glob("[0-9][0-9]_*.ipynb"))
    }
    for name, found in wrong.items():
        for each in found:
            print(f"{name}, {each} is in no output, code or published table")
    return int(any(wrong.values()) or not wrong)


if __name__ == "__main__":
    sys.exit(main())
