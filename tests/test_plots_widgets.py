"""Figures show what they are given; widgets compute, follow their sliders, and say errors."""

from io import BytesIO

import ipywidgets as ipw
import numpy as np
import pytest
from PIL import Image

from xrlab import Encoding, interpret, plots, widgets
from xrlab.training import History


def test_interpretation_has_its_four_panels(image):
    """Measured | structure | simulated | encoding, with axes and units."""
    result = interpret(image, span=2)
    figure = result.figure()
    titles = [note.text for note in figure.layout.annotations]
    assert titles == ["measured", "structure", "simulated", "encoding"]
    shown = [trace.z for trace in figure.data]
    np.testing.assert_allclose(shown[0], result.corrected.astype("f4"))
    np.testing.assert_array_equal(shown[1], result.lattice.sites)
    np.testing.assert_array_equal(shown[2], result.simulated)
    np.testing.assert_array_equal(shown[3], result.encoding.matrix)
    assert "±" in figure.data[3].text[0][1]
    assert "r.l.u." in figure.layout.xaxis.title.text


def test_every_figure_survives_json(clusters, image):
    """Plotly can send each of them to a browser."""
    history = History([1.0, 0.5], [2.0, 1.5], seconds=1.0)
    true = np.array([[0.1, 0.2, 0.3], [0.0, 0.5, -0.2]])
    for figure in (
        plots.lattice_figure(clusters, image),
        plots.images_figure({"a": image, "b": image}),
        plots.history_figure(history),
        plots.parity_figure(true, {"one": true, "two": -true}),
    ):
        assert len(figure.to_json()) > 1000


def test_picture_is_the_array_in_colour():
    """Row 0 at the bottom, lowest value dark, every value a square of equal pixels."""
    values = np.array([[0.0, 1.0], [0.5, 1.0]])
    png = Image.open(BytesIO(plots.picture(values, limits=(0, 1), pixels=8))).convert("RGB")
    assert png.size == (8, 8)
    pixels = np.asarray(png)
    assert tuple(pixels[-1, 0]) == (68, 1, 84)  # first colour of Viridis
    assert tuple(pixels[-1, -1]) == tuple(pixels[0, -1]) == (253, 231, 37)  # and its last
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) == 3


def test_explorer_shows_what_the_sliders_ask_for():
    """Moving a slider changes lattice, pictures and text; the computation is a plain function."""
    explorer = widgets.Explorer(span=2)
    before = {name: picture.value for name, picture in explorer._pictures.items()}
    explorer.sliders[0].value = -0.7
    assert explorer.target.vector[0] == -0.7
    expected = widgets.explore(explorer.target, seed=0)
    np.testing.assert_array_equal(explorer.result.lattice.sites, expected.lattice.sites)
    np.testing.assert_array_equal(explorer.result.image, expected.image)
    for name, picture in explorer._pictures.items():
        assert picture.value != before[name]
    assert f"c(0, 1) = {expected.lattice.realised.vector[0]:.2f}" in explorer._status.value


@pytest.mark.parametrize("span", [2, 3, 4])
def test_explorer_has_a_slider_for_every_value(span):
    """3, 8, 15 sliders, named after what they change."""
    explorer = widgets.Explorer(span=span, pattern="stripes")
    assert len(explorer.sliders) == span**2 - 1
    assert explorer.sliders[span - 1].description == "c(1, 0)"
    assert explorer.sliders[span - 1].value == -0.6


def test_explorer_changes_span_and_comes_back():
    """Span, pattern and reset."""
    explorer = widgets.Explorer(span=2, pattern="clusters")
    first = explorer.result.lattice.sites.copy()
    explorer._span.value = 4
    assert len(explorer.sliders) == 15
    explorer._preset.value = "checkerboard"
    assert explorer.sliders[0].value == -0.6
    explorer._span.value = 3
    explorer.sliders[1].value = 0.9
    explorer._seed.value = 7
    explorer._on_reset(ipw.Button())
    np.testing.assert_array_equal(explorer.result.lattice.sites, first)


def test_explorer_says_when_nothing_fits_and_finds_what_does():
    """An encoding that no lattice has is named with its reason; a button goes to the nearest."""
    explorer = widgets.Explorer(span=2)
    for slider, value in zip(explorer.sliders, (0.9, -0.9, 0.9), strict=True):
        slider.value = value
    assert "no lattice can do what was asked: |c(0, 1) - c(1, 0)|" in explorer._status.value
    explorer._on_nearest(ipw.Button())
    assert explorer.target.violations() == []
    assert explorer.sliders[0].value > 0.3 > -0.3 > explorer.sliders[1].value
    assert "the lattice does what was asked" in explorer._status.value


def test_explorer_shows_errors_in_words(monkeypatch):
    """A failure ends in the status line, escaped, and the explorer goes on."""
    explorer = widgets.Explorer(span=2)

    def fail(target, seed):
        raise ValueError("nothing <b>here</b>")

    monkeypatch.setattr(widgets, "explore", fail)
    explorer.sliders[0].value = 0.1
    assert "Not possible" in explorer._status.value
    assert "&lt;b&gt;" in explorer._status.value
    with pytest.raises(ValueError, match="nothing"):
        explorer.refresh()


def test_patterns_scatter_where_their_names_say():
    """Checkerboard at (1/2, 1/2), stripes at (1/2, 0), clusters at (0, 0)."""
    places = {"clusters": (0, 0), "stripes": (16, 0), "checkerboard": (16, 16)}
    for name, (row, column) in places.items():
        image = widgets.explore(widgets.preset(name, 3)).image
        near = image[row : row + 2, column : column + 2].mean()
        assert near > 5 * image.mean()
    with pytest.raises(ValueError, match="no pattern"):
        widgets.preset("plaid", 2)


def test_prediction_is_asked_before_the_answer():
    """Nothing is given away before the choice; then right and wrong get the reason."""
    gate = widgets.Predict("Up or down?", ["up", "down"], answer="up", because="It rises & shines.")
    assert "rises" not in gate.reply.value
    assert "It is: up." in gate.choose("down")
    assert "Yes." in gate.choose("up")
    assert "&amp;" in gate.reply.value
    with pytest.raises(ValueError, match="not among"):
        widgets.Predict("?", ["a"], answer="b", because="")


def test_encoding_round_trip_through_the_sliders():
    """The sliders hold an encoding of the right length."""
    assert widgets.Explorer(span=3).target.span == Encoding.random(3).span
