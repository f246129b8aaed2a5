"""What the study of 2023 published is complete, consistent, and found in the lessons."""

import pytest

from tests.series import NOTEBOOKS, ROOT, cells
from xrlab import Encoding
from xrlab.course import explorer
from xrlab.course.study import PUBLISHED
from xrlab.networks import cnn

# Published figures that a lesson states in its text, as they are written there.
IN_WORDS = {
    "training": ("05", ("5000", "1000", "64 × 64", "batches of 32", "100 epochs")),
    "image_r2": ("07", ("−4.3", "−9.0")),
    "repeated_encodings": ("03", ("1000 encodings",)),
    "stakeholders": ("09", ("researchers, scientists,", "quality control")),
    "assumptions": ("09", ("factor of 1 results in Materials design enhancement of 0.5",)),
}


def source(number):
    """All cells of a notebook, lines joined."""
    (path,) = (each for each in NOTEBOOKS if each.stem.startswith(number))
    return " ".join(" ".join(cell.source for cell in cells(path)).split())


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_published_figure_is_used_in_a_lesson(name):
    """By its name in the code of a notebook or of the course, or in the words of the text."""
    if name in IN_WORDS:
        number, words = IN_WORDS[name]
        assert [each for each in words if each not in source(number)] == []
        return
    used = f'PUBLISHED["{name}"]'
    course = (ROOT / "xrlab" / "course").rglob("*.py")
    texts = [source(path.stem[:2]) for path in NOTEBOOKS]
    texts += [path.read_text(encoding="utf-8") for path in course]
    assert any(used in text for text in texts)


def test_published_encodings_are_encodings():
    """Of span 4, realisable, and among the presets of the explorer."""
    for name, matrix in PUBLISHED["encodings"].items():
        encoding = Encoding.from_matrix(matrix)
        assert encoding.span == 4
        assert encoding.violations() == []
        assert explorer.preset(f"{name} encoding of 2023", 4) == encoding


def test_published_sizes_are_those_of_our_networks():
    """Parameters of the networks with 15 outputs, by hand for the small one."""
    small = (9 + 1) * 32 + 4 * 32 + (9 * 32 + 1) * 64 + 4 * 64 + (14 * 14 * 64 + 1) * 15
    assert small == PUBLISHED["parameters"]["small"]
    for name, count in PUBLISHED["parameters"].items():
        assert cnn.ARCHITECTURES[name](15).count_params() == count
