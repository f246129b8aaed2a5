"""The builder of pipelines: what it computes, every control, errors in words."""

from io import BytesIO

import ipywidgets as ipw
import numpy as np
import pytest
from PIL import Image

from xrlab.course.figures import corrections
from xrlab.measurement.filters import smooth_median
from xrlab.measurement.pipeline import FILTERS, RECOMMENDED, Pipeline
from xrlab.trials.correction_bias import bias_table, example, read_encoding
from xrlab.widgets import corrections as widgets


@pytest.fixture
def builder():
    """A builder as it starts, with a section to choose."""
    section = np.random.default_rng(0).poisson(9, (70, 50)).astype(float)
    section[:9] = np.nan
    return widgets.PipelineBuilder(section)


def names(builder):
    """Names of the steps."""
    return [function.__name__ for function, _ in builder.pipeline.steps]


def control(builder, step, parameter):
    """The control of a parameter of a step, counted from 0."""
    return next(c for c in builder._rows.children[step].children if c.description == parameter)


def click(builder, step, label):
    """Press a button of a step, as a click would."""
    button = next(c for c in builder._rows.children[step].children if c.description == label)
    button.click()


def test_computation_is_that_of_the_pipeline():
    """Stages, both readings and their errors; without a truth only the stages."""
    image, truth = example("laboratory", 1)
    result = widgets.compute(RECOMMENDED["box"], image, truth)
    np.testing.assert_array_equal(list(result.stages.values())[-1], RECOMMENDED["box"](image))
    np.testing.assert_allclose(result.before, read_encoding(image), atol=1e-12)
    after = read_encoding(RECOMMENDED["box"](image))
    assert result.error("after") == pytest.approx(np.sqrt(np.mean((after - truth) ** 2)))
    assert result.error("after") < result.error("before")
    blind = widgets.compute(Pipeline(), image)
    assert list(blind.stages) == ["measured"]
    assert np.isnan(blind.error("after"))


def test_picture_is_grey_where_nothing_was_measured():
    """Rows count upwards; grey is no colour of the intensities."""
    image = np.add.outer(np.arange(8.0), np.ones(8))
    image[0, 0] = np.nan
    with Image.open(BytesIO(widgets.stage_picture(image, 16))) as shown:
        assert shown.size == (16, 16)
        assert shown.getpixel((0, 15)) == (200, 200, 200)
        colours = {colour for _, colour in shown.getcolors()}
    assert len(colours) == 9


def test_steps_are_added_moved_and_removed(builder):
    """The text always says what the steps are."""
    start = names(builder)
    builder._new.value = "smooth_median"
    builder._add.click()
    assert names(builder) == [*start, "smooth_median"]
    click(builder, len(start), "↑")
    assert names(builder)[-2] == "smooth_median"
    click(builder, len(start) - 1, "✕")
    click(builder, 0, "↑")  # no earlier place: nothing happens
    assert names(builder) == start
    click(builder, 0, "↓")
    assert names(builder)[:2] == start[1::-1]
    assert Pipeline.from_yaml(builder._text.value) == builder.pipeline
    assert len(builder._stages.children) == len(start) + 1


def test_sliders_change_parameters_and_pictures(builder):
    """A slider moves the result; other steps stay as they are."""
    punch = names(builder).index("punch_bragg")
    before = builder._encodings["after"].value, builder._stages.children[-1].children[1].value
    control(builder, punch, "radius").value = 0.2
    assert builder.pipeline.steps[punch][1]["radius"] == 0.2
    after = builder._encodings["after"].value, builder._stages.children[-1].children[1].value
    assert before[0] != after[0]
    assert before[1] != after[1]
    assert f"{builder.result.error('after'):.3f}" in builder.status.value
    assert f">&nbsp;{builder.result.after[2]:.2f}<" in builder._values.value


def test_image_and_crystal_can_be_chosen(builder):
    """Every kind of image; the measured one has no truth, and the words say so."""
    for kind in widgets.KINDS:
        builder._kind.value = kind
        assert "Error" in builder.status.value
    first = builder._encodings["truth"].value
    builder._seed.value = 5
    assert builder._encodings["truth"].value != first
    builder._ready.value = "section without Bragg peaks"
    builder._kind.value = widgets.MEASURED
    assert "is unknown" in builder.status.value
    assert builder.result.stages["measured"].shape == (70, 50)
    assert widgets.MEASURED not in widgets.PipelineBuilder()._kind.options


def test_reset_brings_the_start_back(builder):
    """Controls, steps and pictures."""
    start = builder.pipeline
    shown = builder._stages.children[-1].children[1].value
    builder._kind.value, builder._seed.value = "bad day", 7
    builder._ready.value = widgets.EMPTY
    assert builder.pipeline == Pipeline()
    builder.reset.click()
    assert builder.pipeline == start
    assert builder._stages.children[-1].children[1].value == shown


def test_text_is_taken_or_refused_in_words(builder):
    """A good text becomes steps; a bad one is explained and changes nothing."""
    builder._text.value = "- smooth_median: {size: 21}"
    builder._take.click()
    assert builder.pipeline == Pipeline(((smooth_median, {"size": 21}),))
    assert control(builder, 0, "size").value == 21  # beyond the usual end of the slider
    builder._text.value = "- smooth_medium"
    builder._take.click()
    assert "did you mean smooth_median" in builder.status.value
    assert names(builder) == ["smooth_median"]
    with pytest.raises(ValueError, match="no sliders"):
        builder.take(Pipeline(((FILTERS["divide_form_factor"].function, {"form_factor": 1}),)))


def test_a_step_that_fails_is_named(builder):
    """An image with zeros has no logarithm; the words say which step."""
    builder._ready.value = widgets.EMPTY
    builder._kind.value = "bad day"
    builder._new.value = "match_log_moments"
    builder._add.click()
    assert "Not possible" in builder.status.value
    assert "step 1, match_log_moments" in builder.status.value
    with pytest.raises(ValueError, match="no logarithm"):
        builder.refresh()


def test_another_size_cannot_be_read(builder):
    """After an area average there is a picture but no encoding."""
    builder._ready.value = widgets.EMPTY
    builder._new.value = "average_down"
    builder._add.click()
    control(builder, 0, "rows").value = 32
    assert builder.result.after is None
    assert "another size" in builder.status.value


@pytest.mark.parametrize("name", list(widgets._offered()))
def test_every_filter_has_controls_for_all_its_numbers(name, builder):
    """Sliders start at the default, which is within their ends, and work."""
    builder._ready.value = widgets.EMPTY
    builder._kind.value = "clean"
    builder._new.value = name
    builder._add.click()
    assert "Not possible" not in builder.status.value
    shown = {c.description: c for c in builder._rows.children[0].children[4:]}
    expected = {k for k, v in FILTERS[name].parameters.items() if not isinstance(v, tuple)}
    assert shown.keys() == expected
    for parameter, each in shown.items():
        assert parameter in widgets.SLIDERS or isinstance(each, ipw.Dropdown)
        if hasattr(each, "max"):
            assert each.min < each.max
            default = FILTERS[name].parameters[parameter]
            if isinstance(default, int | float) and np.isfinite(default):
                assert each.value == default


def test_figures_show_every_image():
    """Rows are broken where they would be too long; changes of 0 stay on the logarithmic axis."""
    image, _ = example("laboratory", 1)
    stages = RECOMMENDED["noisy"].stages(image)
    gallery = corrections.gallery_figure(stages)
    assert [trace.yaxis for trace in gallery.data] == ["y", *(f"y{n}" for n in range(2, 8))]
    assert [each.text for each in gallery.layout.annotations[:7]] == list(stages)
    table = bias_table({"one": np.array, "half": lambda x: x + 1}, 2, spoiled=())
    bias = corrections.bias_figure(table)
    assert list(bias.data[1].y) == ["one", "half"]
    assert list(bias.data[1].x) == [1e-5, table["half"].largest]
    slopes = corrections.slopes_figure([[0.1, 0.2]], {"half": [[0.05, 0.1]]})
    assert (list(slopes.data[0].x), list(slopes.data[0].y)) == ([0.1, 0.2], [0.05, 0.1])
