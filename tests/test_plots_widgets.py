"""Figures show what they are given; widgets compute, follow their sliders, and say errors."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from xrlab import interpret, widgets
from xrlab.course import explorer
from xrlab.course.figures import training
from xrlab.crystal import patterns
from xrlab.drawing import plots
from xrlab.drawing.png import picture
from xrlab.training.checkpoints import History


def test_interpretation_has_its_four_panels(image):
    """Measured | structure | simulated | encoding, with axes and units."""
    result = interpret(image, span=2, kind="simulated")
    figure = result.figure()
    titles = [note.text for note in figure.layout.annotations]
    assert titles == ["measured", "structure", "simulated", "encoding"]
    shown = [trace.z for trace in figure.data]
    np.testing.assert_allclose(shown[0], result.corrected.astype("f4"))
    np.testing.assert_array_equal(shown[1], result.lattice.sites[:50, :50])
    np.testing.assert_array_equal(shown[2], result.simulated)
    np.testing.assert_array_equal(shown[3], result.encoding.matrix)
    assert "±" in figure.data[3].text[0][1]
    assert "r.l.u." in figure.layout.xaxis.title.text


def test_figures_show_their_numbers(clusters, image):
    """Encoding, lattice and image; images side by side; losses; estimates against the truth."""
    shown = [trace.z for trace in plots.lattice_figure(clusters, image).data]
    np.testing.assert_array_equal(shown[0], clusters.realised.matrix)
    np.testing.assert_array_equal(shown[1], clusters.sites)
    np.testing.assert_array_equal(shown[2], image)
    shown = [trace.z for trace in plots.images_figure({"a": image, "b": image.T}).data]
    np.testing.assert_array_equal(shown, [image, image.T])
    history = History([1.0, 0.5], [2.0, 1.5], seconds=1.0)
    losses = [list(trace.y) for trace in training.history_figure(history).data]
    assert losses == [history.loss, history.validation_loss]
    true = np.array([[0.1, 0.2, 0.3], [0.0, 0.5, -0.2]])
    figure = training.parity_figure(true, {"one": true, "two": -true})
    one, two = (trace for trace in figure.data if trace.mode == "markers")
    np.testing.assert_array_equal(
        [one.x, one.y, two.y], np.array([true, true, -true]).reshape(3, 6)
    )


def test_picture_is_the_array_in_colour():
    """Row 0 at the bottom, lowest value dark, every value a square of equal pixels."""
    values = np.array([[0.0, 1.0], [0.5, 1.0]])
    png = Image.open(BytesIO(picture(values, limits=(0, 1), pixels=8))).convert("RGB")
    assert png.size == (8, 8)
    pixels = np.asarray(png)
    assert tuple(pixels[-1, 0]) == (68, 1, 84)  # first colour of Viridis
    assert tuple(pixels[-1, -1]) == tuple(pixels[0, -1]) == (253, 231, 37)  # and its last
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) == 3


def test_patterns_scatter_where_their_names_say():
    """Checkerboard at (1/2, 1/2), stripes at (1/2, 0), clusters at (0, 0)."""
    places = {"clusters": (0, 0), "stripes": (16, 0), "checkerboard": (16, 16)}
    for name, (row, column) in places.items():
        image = explorer.compute(
            explorer.State(tuple(patterns.pattern(name, 3).vector), "monte_carlo")
        ).image
        near = image[row : row + 2, column : column + 2].mean()
        assert near > 5 * image.mean()


def test_prediction_is_asked_before_the_answer():
    """Nothing is given away before the choice; then right and wrong get the reason."""
    gate = widgets.Predict("Up or down?", ["up", "down"], answer="up", because="It rises & shines.")
    assert "rises" not in gate.reply.value
    assert "It is: up." in gate.choose("down")
    assert "Yes." in gate.choose("up")
    assert "&amp;" in gate.reply.value
    with pytest.raises(ValueError, match="not among"):
        widgets.Predict("?", ["a"], answer="b", because="")
