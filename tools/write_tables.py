"""Write the tables of README.md and docs/results.md from the notebooks and the networks' cards."""

from __future__ import annotations

import json
import re
from pathlib import Path

import nbformat
import numpy as np

from xrlab.course.study import ROWS, read_card, study_table
from xrlab.drawing.tables import markdown_table
from xrlab.interpretation.findings import LIMITS_FILE
from xrlab.networks.shipped import shipped_models
from xrlab.trials import confident, crystals
from xrlab.trials.trial import Score, table

ROOT = Path(__file__).parent.parent
PAGES = ("README.md", "docs/results.md")
TRIALS = {  # of the card "measured"
    "laboratory": "laboratory",
    "bad day": "bad day: few counts and every fault",
    "unseen both": "instrument and lattices kept out of training",
}


def notebooks() -> str:
    """Return the map of the notebooks: title and question of each."""
    rows = []
    for path in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        title, _, question = nbformat.read(path, as_version=4).cells[0].source.split("\n")[:3]
        rows.append((f"[{title[2:]}](notebooks/{path.name})", question.strip("*")))
    return markdown_table(("notebook", "question"), rows)


def summary() -> str:
    """Return the table of the README: networks beside ΔPDF, R² with three decimals."""
    measured = read_card("measured")
    rows = []
    for row in ROWS[:3]:
        card = read_card(row.card)
        what = f"{card['samples']['test']} simulated, span {row.span}"
        rows.append((what, card["test"]["r2"], card["test_delta_pdf"]["r2"], row.published))
    images = measured["tested_on"]["images"]
    what = f"{images} measurements of crystals without grain, laboratory"
    rows.append((what, measured["joint"]["crystal, laboratory"]["r2"], None, None))
    for name, words in TRIALS.items():
        test = measured["test"][name]
        what = f"{images} simulated measurements, {words}"
        rows.append((what, test["r2"], test["delta_pdf_r2"], None))
    written = ((what, *("–" if x is None else f"{x:.3f}" for x in r2)) for what, *r2 in rows)
    return markdown_table(("images", "network", "ΔPDF", "published (2023)"), written)


def trials() -> str:
    """Return what `python -m xrlab.trials.trial` printed when the network was made."""
    return table(
        {
            name: Score(
                r2=test["r2"],
                mse=test["mse"],
                coverage=np.array(test["coverage90"]),
                rival_r2=test["delta_pdf_r2"],
                rival_mse=test["delta_pdf_mse"],
                rival=test["delta_pdf"],
                inpainted_mse=test["inpainted_mse"],
            )
            for name, test in read_card("measured")["test"].items()
        }
    )


def joint() -> str:
    """Return the table of `python -m xrlab.trials.crystals` from the card of the network."""
    return crystals.table(
        {name: crystals.JointScore(**x) for name, x in read_card("measured")["joint"].items()}
    )


def verdicts() -> str:
    """Return the table of `python -m xrlab.trials.confident` from the file that it wrote."""
    return confident.table(confident.read_results(ROOT / "docs" / "confident.json"))


def flow() -> str:
    """Return the scores of a flow, from the file that `benchmarks/flow_rival.py` wrote."""
    made = json.loads((ROOT / "docs" / "flow-rival.json").read_text("utf-8"))
    heads = ["images", "network", "scale anew", "heads anew", "flow"]
    heads += ["flow − network", "flow − heads anew", "50 %", "90 %", "99 %"]
    rows = [
        (
            name,
            *(f"{x['log_score'][who]:.2f}" for who in ("network", "scale", "heads", "flow")),
            *("{:+.3f} ± {:.3f}".format(*x["flow_minus"][who]) for who in ("network", "heads")),
            *(f"{x['flow'][f'coverage{level}']:.1%}" for level in (50, 90, 99)),
        )
        for name, x in made["trials"].items()
    ]
    return markdown_table(heads, rows)


def limits() -> str:
    """Return the limits of the checks, and how often other images of known encoding exceed them."""
    chosen = json.loads(LIMITS_FILE.read_text("utf-8"))
    beyond = chosen.get("on other images", {})
    rows = [
        (key, f"{limit:g}", f"{beyond[key]:.1%}" if key in beyond else "–")
        for key, limit in chosen["limits"].items()
    ]
    if "alarms" in chosen:
        together = chosen["alarms"]["on other images"]
        rows.append(("**all together, without knowledge**", "", f"{together:.1%}"))
    text = markdown_table(["check", "limit", "other images beyond it"], rows, 2)
    return f"{text}\n\nMade by: {chosen['command']}"


def commands() -> str:
    """Return the commands that made the networks, from their cards."""
    rows = []
    names = dict.fromkeys([*(row.card for row in ROWS), "measured", "measured-grain"])
    for name, card in ((name, read_card(name)) for name in names):
        if card:
            stages = [stage for stage in card.get("stages", []) if isinstance(stage, dict)]
            steps = "; then ".join(f"`{stage['command']}`" for stage in stages or [card])
            rows.append((f"`{name}`", "yes" if name in shipped_models() else "no", steps))
    return markdown_table(("card", "weights shipped", "command"), rows)


TABLES = {
    "notebooks": notebooks,
    "summary": summary,
    "study": study_table,
    "trials": trials,
    "joint": joint,
    "verdicts": verdicts,
    "flow": flow,
    "limits": limits,
    "commands": commands,
}


def filled(page: str) -> str:
    """Return a page with each table, from <!-- table: NAME --> to <!-- end -->, written anew."""
    return re.sub(
        r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)",
        lambda match: f"{match[1]}{TABLES[match[2]]()}\n{match[3]}",
        page,
        flags=re.DOTALL,
    )


if __name__ == "__main__":
    for name in PAGES:
        path = ROOT / name
        path.write_text(filled(path.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")
        print(f"wrote the tables of {name}")
