"""Names for screen readers and texts for figures, without a browser (see test_accessibility)."""

import shutil
import subprocess

import ipywidgets as ipw
import plotly.graph_objects as go
import pytest

from xrlab import interpret
from xrlab.drawing import plots
from xrlab.widgets.accessible import ScreenReaderNames, named


def test_named_puts_the_names_beside_the_widget():
    """The widget itself stays what it is; the helper shares its box and carries its script."""
    slider = ipw.FloatSlider(description="c(0, 1)")
    first, second = named(slider).children
    assert first is slider
    assert isinstance(second, ScreenReaderNames)
    assert "aria-labelledby" in str(second._esm)


@pytest.mark.skipif(not shutil.which("node"), reason="no node to read JavaScript")
def test_the_script_is_javascript(tmp_path):
    """A module that node can read."""
    file = tmp_path / "accessible.mjs"
    file.write_text(str(ScreenReaderNames()._esm), encoding="utf-8")
    subprocess.run(["node", "--check", file], check=True)


def test_description_travels_with_the_figure():
    """Through JSON, beside other meta data, and in one line."""
    figure = go.Figure(layout={"meta": {"note": 1}})
    plots.describe(figure, "Two\n  lines.")
    again = go.Figure(figure.to_dict())
    assert plots.description(again) == "Two lines."
    assert again.layout.meta["note"] == 1


@pytest.mark.parametrize("text", ["", " \n"])
def test_an_empty_description_is_refused(text):
    """It would say that there is nothing to see."""
    with pytest.raises(ValueError, match="say in a sentence"):
        plots.describe(go.Figure(), text)


def test_a_figure_without_words_says_so():
    """No title, no axis, no name."""
    assert plots.description(go.Figure(go.Pie(values=[1]))) == "A figure without a title."


def test_answer_is_told_in_numbers(image):
    """The figure of an interpretation says every value with its error."""
    result = interpret(image, span=2, kind="simulated")
    said = plots.description(result.figure())
    for value, error in zip(result.encoding.vector, result.standard_error, strict=True):
        assert f"= {value:.2f} ± {error:.2f}" in said
