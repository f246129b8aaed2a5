"""Numbers in the text of a notebook beside those that its code and outputs show."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tests.series import ROOT
from tools.quoted_numbers import GIVEN, numbers, unsupported

EXECUTED = sorted((ROOT / "build").glob("[0-9][0-9]_*.ipynb"))


def notebook(text, code="", *printed):
    """A notebook of one code cell, with what it printed, and a text."""
    outputs = [new_output("stream", text=each) for each in printed]
    return new_notebook(cells=[new_code_cell(code, outputs=outputs), new_markdown_cell(text)])


def test_a_number_is_supported_by_output_code_or_study():
    """Rounded numbers and percentages of shares too; 0.676 is in none of them, 0.976 published."""
    assert unsupported(notebook("R² = 0.58", "", "R² 0.583")) == []
    assert unsupported(notebook("about 58.3 %", "", "share 0.583")) == []
    assert unsupported(notebook("farther than 0.13", "RADIUS = 0.13")) == []
    assert unsupported(notebook("the study has 0.976")) == []
    assert unsupported(notebook("the study has 0.676")) == ["cell 2: 0.676"]
    assert unsupported(notebook("R² = 0.59", "", "R² 0.583")) == ["cell 2: 0.59"]


def test_formulas_code_links_and_hints_are_no_quotes():
    """Nor does what the caller says that the text defines itself."""
    aside = "$x = 0.11$, `0.22`, [page](a0.33.md), <details>0.44</details>, arXiv:1312.6114"
    assert unsupported(notebook(aside)) == []
    assert unsupported(notebook("MAD is 1.4826 sigma"), GIVEN["04"]) == []


def test_numbers_are_read_with_signs_and_commas():
    """As they are printed."""
    assert numbers("−0.5, 1,234 and 2e-3") == [-0.5, 1234, 0.002]


@pytest.mark.skipif(not EXECUTED, reason="make run has not executed the notebooks")
@pytest.mark.parametrize("path", EXECUTED, ids=lambda path: path.stem)
def test_texts_agree_with_the_outputs_of_the_last_run(path):
    """No number of a text differs from what its notebook printed."""
    assert unsupported(nbformat.read(path, as_version=4), GIVEN.get(path.name[:2], ())) == []
