"""The notebooks of the series, and small ones that are made for a test."""

from functools import cache
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
KERNEL = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@cache
def cells(path: Path, kind: str = "") -> list[nbformat.NotebookNode]:
    """Cells of a notebook: all of them, or those of a kind, "code" or "markdown"."""
    found = nbformat.read(path, as_version=4).cells
    return [cell for cell in found if kind in ("", cell.cell_type)]


def words(path: Path) -> str:
    """Text of all Markdown cells."""
    return "\n\n".join(cell.source for cell in cells(path, "markdown"))


def write_notebook(path: Path, title: str, *sources: str) -> None:
    """Write a notebook of a title, the parameters cell and these code cells."""
    parameters = new_code_cell('profile = "fast"', metadata={"tags": ["parameters"]})
    made = [new_markdown_cell(f"# {title}"), parameters, *map(new_code_cell, sources)]
    nbformat.write(new_notebook(cells=made, metadata={"kernelspec": KERNEL}), path)
