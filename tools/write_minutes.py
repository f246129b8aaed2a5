"""Compute how long each notebook takes, and write it where it is stated.

The minutes are a range, from a fast reader to a thorough one, of the text, the predictions, the
widgets, the exercises, and the run. They are computed, not measured with a class. They stand in the
first cell of each notebook, in the map of notebook 0 and in docs/instructor.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import nbformat

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PAGE = ROOT / "docs" / "instructor.md"
TIME = re.compile(r"\*\*Time\.\*\* (\d+) to (\d+) minutes \(\[basis\]\([^)]+\)\); (.+?) to run\.")
WORD = re.compile(r"[^\W_]+(?:['’.,–-][^\W_]+)*")
# Folded hints and solutions, and links: not read by all, or not words.
ASIDE = re.compile(r"<details>.*?</details>|\]\([^)]*\)|</?[a-z]+[^<>]*>", re.DOTALL)
# An object of a class, made and shown: "explorer = Explorer(...)", then "explorer".
WIDGET = re.compile(r"^(\w+) = [\w.]*\b[A-Z]\w*\(.*^\1\s*\Z", re.DOTALL | re.MULTILINE)

# Longest run in seconds that each wording stands for; no notebook may take longer than 90 s.
RUNS = {
    "about a quarter of a minute": 25,
    "about half a minute": 45,
    "less than a minute": 60,
    "about a minute": 90,
}


@dataclass(frozen=True)
class Pace:
    """How fast somebody works.

    Parameters
    ----------
    words : float
        Read in a minute. 200 is common for a text book; formulas and figures halve it.
    prediction, widget, exercise : float
        Minutes for one of each.
    """

    words: float
    prediction: float
    widget: float
    exercise: float


FAST = Pace(words=200, prediction=0.5, widget=3, exercise=4)
THOROUGH = Pace(words=100, prediction=1, widget=8, exercise=10)


@dataclass(frozen=True)
class Work:
    """What there is to do in a notebook: numbers of each, and the longest run in seconds."""

    words: int
    predictions: int
    widgets: int
    exercises: int
    seconds: float

    def minutes(self, pace: Pace) -> float:
        """Minutes at a pace.

        >>> Work(words=2000, predictions=4, widgets=1, exercises=2, seconds=60).minutes(FAST)
        24.0
        """
        return (
            self.words / pace.words
            + self.predictions * pace.prediction
            + self.widgets * pace.widget
            + self.exercises * pace.exercise
            + self.seconds / 60
        )

    def range(self) -> tuple[int, int]:
        """Minutes at both paces, to 5 minutes."""
        low, high = (5 * round(self.minutes(pace) / 5) for pace in (FAST, THOROUGH))
        return low, high


def work(path: Path) -> Work:
    """Count what there is to do in a notebook."""
    cells = nbformat.read(path, as_version=4).cells
    text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    code = [cell.source for cell in cells if cell.cell_type == "code"]
    stated = re.search(r"minutes .*?; (.+?) to run\.", text)
    if stated is None or stated[1] not in RUNS:
        raise ValueError(f'{path.name}: state the run as one of: "; {" | ".join(RUNS)} to run."')
    return Work(
        words=len(WORD.findall(ASIDE.sub(" ", text))),
        predictions=sum(bool(re.match(r"(\w+\.)?Predict\(", each)) for each in code),
        widgets=sum(bool(WIDGET.search(each)) for each in code),
        exercises=sum("exercise" in cell.metadata.get("tags", []) for cell in cells),
        seconds=RUNS[stated[1]],
    )


def main() -> None:
    """Write the minutes of every notebook, and print what they consist of."""
    start = NOTEBOOKS[0]
    for path in NOTEBOOKS:
        each = work(path)
        low, high = each.range()
        print(f"{path.stem:35s}{low:4d} to {high} minutes: {each}")
        stated = f"{low} to {high}"
        basis = f"{stated} minutes ([basis](../docs/instructor.md#minutes));"
        _replace(path, r"(\*\*Time\.\*\*) \d+(?: to \d+)? minutes.*?;", rf"\1 {basis}")
        row = "0 Start here" if path == start else re.escape(f"({path.name})")
        _replace(start, rf"(\| \[?.*?{row}.* \|) [\d to]+ \|", rf"\1 {stated} |")
        row = re.escape(f"(../notebooks/{path.name})")
        _replace(PAGE, rf"({row} \|) [\d to]+ \|", rf"\1 {stated} |")


def _replace(path: Path, pattern: str, words: str) -> None:
    """Replace a pattern that occurs once in a file.

    Raises
    ------
    ValueError
        If it occurs never, or several times.
    """
    text, count = re.subn(pattern, words, path.read_text(encoding="utf-8"))
    if count != 1:
        raise ValueError(f"{path.name}: {pattern} occurs {count} times, not once")
    path.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
