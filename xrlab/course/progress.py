"""One's own progress: which exercises are solved so far, kept in a file in the working folder."""

from __future__ import annotations

import datetime
import html
import json
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from xrlab import __version__
from xrlab.drawing.tables import markdown_table
from xrlab.io.files import write

# In the folder of the notebooks. Delete it to begin anew.
FILE = "my_progress.json"
CERTIFICATE = "my_certificate.html"

# What a reply begins with, from nothing to everything.
STATES = ("not yet", "close", "right")

# Check of each exercise, in the order of the course: notebook, what is asked.
EXERCISES = {
    "share_alike": (0, "how many neighbours are alike?"),
    "share_interval": (0, "the 90 % interval of this share"),
    "brightest_at_half": (1, "an encoding for a maximum at (½, 0)"),
    "intensity_at_half": (1, "an intensity by hand"),
    "share_possible": (2, "the share of encodings that a lattice can have"),
    "effective_number": (2, "the effective number of lots, measured"),
    "large_enough_lattice": (3, "a lattice large enough for 64 lots"),
    "enough_lots": (3, "the number of lots beyond which more do not help"),
    "check_shrinkage": (4, "what a blur does to two correlations"),
    "check_background": (4, "what a background does to all correlations"),
    "error_per_component": (5, "the error of each correlation"),
    "number_of_parameters": (5, "the parameters of a network"),
    "coverage": (6, "are the error bars calibrated?"),
    "widening": (6, "the factor that calibrates them"),
    "asymmetry": (7, "how far the image is from symmetric"),
    "best_r2": (7, "the best R² of any encoding"),
    "check_seen": (8, "count the correlations that were seen"),
    "check_difference": (8, "the error of a difference"),
    "check_break_even": (9, "the break-even of wrong answers"),
    "check_tolerable": (9, "how many single values may be off"),
    "check_pixels": (10, "the fewest pixels that lose nothing"),
    "check_bits": (10, "the coin tosses of the lattice of triples"),
}


@dataclass(frozen=True)
class Entry:
    """What is known of one exercise.

    Parameters
    ----------
    best : {"not yet", "close", "right"}
    tries : int
    """

    best: str
    tries: int


def record(check: str, reply: str, folder: str | Path = ".") -> None:
    """Write down the reply of a check; the best one counts. Never raises.

    Parameters
    ----------
    check : str
        Name of the function.
    reply : str
        Begins with "Not yet", "Close" or "Right".
    folder : path
        Where the file is, or will be. Nothing is said where it cannot be written.
    """
    with suppress(Exception):
        entries = read(folder)
        state = next(state for state in STATES if reply.lower().startswith(state))
        before = entries.get(check, Entry(state, 0))
        best = max(before.best, state, key=STATES.index)
        entries[check] = Entry(best, before.tries + 1)
        text = json.dumps({name: vars(entry) for name, entry in entries.items()}, indent=1)
        write(Path(folder) / FILE, text + "\n")


def record_in_notebook(check: str, reply: str) -> None:
    """Write a reply down if a notebook asks; scripts and tests leave no file behind."""
    with suppress(Exception):
        shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
        if hasattr(shell, "kernel"):
            record(check, reply)


def read(folder: str | Path = ".") -> dict[str, Entry]:
    """Read the file; what is missing or damaged counts as not tried. Never raises.

    Returns
    -------
    dict
        Name of the check: its entry.
    """
    entries = {}
    with suppress(Exception):
        stored = json.loads((Path(folder) / FILE).read_text(encoding="utf-8"))
        for check, each in stored.items():
            with suppress(Exception):
                if each["best"] in STATES:
                    entries[check] = Entry(each["best"], int(each["tries"]))
    return entries


def summary(folder: str | Path = ".") -> str:
    """Return a table of all exercises as Markdown, and what to do next. Never raises.

    Examples
    --------
    >>> print(summary("a folder without the file").splitlines()[2])
    | 0 | how many neighbours are alike? | not tried |
    """
    entries = read(folder)
    rows = []
    for check, (notebook, asked) in EXERCISES.items():
        entry = entries.get(check)
        words = "not tried"
        if entry is not None:
            sign = "✓ " if entry.best == "right" else ""
            words = f"{sign}{entry.best} ({entry.tries} {'try' if entry.tries == 1 else 'tries'})"
        rows.append((notebook, asked, words))
    solved = [check in entries and entries[check].best == "right" for check in EXERCISES]
    if all(solved):
        verdict = f"All {len(solved)} exercises are right. You have done the whole course."
    else:
        notebook, _ = list(EXERCISES.values())[solved.index(False)]
        verdict = (
            f"{sum(solved)} of {len(solved)} are right. The next open one: notebook {notebook}."
        )
    table = markdown_table(("notebook", "exercise", "so far"), rows)
    return f"{table}\n\n{verdict}"


# Colours of its own, as it is also shown in a dark notebook; a page to print is a bordered sheet.
SHEET = """\
<div role="region" aria-label="Certificate" style="max-width: 42rem; margin: 1rem auto;
 padding: 2rem; border: 3px double #1b5e7a; color: #1b2a33; background: #fff;
 font: 16px/1.5 Georgia, serif; text-align: center">
<p style="font-size: 1.8rem; margin: 0">Certificate</p>
<p style="font-size: 1.4rem; margin: 1rem 0">{name}</p>
<p>{done} the course <b>xrlab</b>:<br>the short-range order of disordered crystals from their
 diffuse scattering</p>
<ul style="text-align: left; display: inline-block; margin: 0">
{rows}
</ul>
<p>{day}, xrlab {version}</p>
<p style="font-size: .8rem">Made by the student's own computer from the replies of the checks;
 nobody else has checked it.</p>
</div>"""
PAGE = """\
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Certificate</title></head><body>
{sheet}
</body></html>
"""


def certificate(name: str = "", folder: str | Path = ".", day: datetime.date | None = None) -> str:
    """Return a certificate of the exercises that are right so far, as HTML.

    Parameters
    ----------
    name : str
        Whose it is. With a name it is also written into the folder, as a page to print or hand in;
        without one it has a line to write on, and no file is written.
    folder : path
        Where the file of the progress is.
    day : datetime.date
        Date of the certificate; today if not given.

    Raises
    ------
    OSError
        If the page cannot be written.

    Examples
    --------
    >>> "has solved 0 of 22 exercises" in certificate(folder="a folder without the file")
    True
    """
    entries = read(folder)
    solved: dict[int, list[str]] = {}
    for check, (notebook, asked) in EXERCISES.items():
        if check in entries and entries[check].best == "right":
            solved.setdefault(notebook, []).append(asked)
    count = sum(map(len, solved.values()))
    part = f"all {count}" if count == len(EXERCISES) else f"{count} of {len(EXERCISES)}"
    day = day or datetime.date.today()
    sheet = SHEET.format(
        name=html.escape(" ".join(name.split())) or "." * 40,
        done=f"has solved {part} exercises of",
        rows="\n".join(
            f"<li>notebook {notebook}: {html.escape('; '.join(each).replace('?', ''))}</li>"
            for notebook, each in solved.items()
        ),
        day=f"{day.day} {day:%B %Y}",
        version=__version__,
    )
    if name.strip():
        write(Path(folder) / CERTIFICATE, PAGE.format(sheet=sheet))
    return sheet
