"""The trials on clean images: one row for each setting, with the figures of both methods."""

from xrlab.crystal.setting import STUDY, Setting
from xrlab.trials import clean

SMALL = Setting(size=16, lot_size=8, lots=4)


def test_table_compares_predictions_with_delta_pdf(monkeypatch, capsys):
    """Where Delta-PDF itself is the estimate, both have the same figures."""
    monkeypatch.setattr(clean, "CASES", ((2, SMALL), (3, STUDY)))
    clean.main(["--images", "12", "--seed", "3"])
    head, _, inverted, corrected = capsys.readouterr().out.splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in (head, inverted)]
    by_name = dict(zip(*cells, strict=True))
    assert by_name["images"] == "16/8/4"
    assert by_name["MSE"] == by_name["its MSE"]
    assert by_name["MSE ratio"] == "1.000"
    assert corrected.startswith("| 3 | 50/25/8 | uniform |")
    assert "| 1.000 |" not in corrected
