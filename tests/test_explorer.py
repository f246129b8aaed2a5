"""The explorer: pure computation against other ways to compute it, text codes, and the widget."""

import ipywidgets as ipw
import numpy as np
import pytest

from xrlab import Encoding, delta_pdf, diffraction_image, expected_image, predict, simulate
from xrlab.course import explorer
from xrlab.course.explorer import LOTS, REACH, SIZES, State, compute, from_code, to_code
from xrlab.crystal import patterns
from xrlab.crystal.grid import STANDARD_GRID
from xrlab.crystal.patterns import pattern
from xrlab.crystal.realisable import ranges
from xrlab.crystal.spectrum import extend
from xrlab.widgets.explorer import OWN, Explorer

IMPOSSIBLE = (0.9, -0.9, 0.9)


def move(widget, place, value):
    """Move one slider, as the browser does."""
    values = list(widget.matrix.values)
    values[place] = value
    widget.matrix.moved = place
    widget.matrix.values = values


def words_of(result, moved=None):
    """What is said of a result."""
    return explorer.verdict(result, ranges(result.target), moved)


# Computation


def test_computation_is_that_of_the_package():
    """Lattice, image, expected image and ΔPDF are those of the functions that a script calls."""
    state = State((0.5, -0.3, 0.1), size=64, lots=16, seed=7)
    result = compute(state)
    lattice = simulate(state.encoding, 64, "gaussian", 7)
    image = diffraction_image(lattice, lots=16, seed=7)
    np.testing.assert_array_equal(result.lattice.sites, lattice.sites)
    np.testing.assert_array_equal(result.image, image)
    np.testing.assert_allclose(result.expected, expected_image(state.encoding, size=64), rtol=1e-5)
    read = delta_pdf(image, span=3, lot_size=25).matrix
    np.testing.assert_allclose(
        result.delta_pdf[REACH : REACH + 3, REACH : REACH + 3], read, atol=1e-5
    )
    assert (result.target, result.drawn, result.part) == (state.encoding, state.encoding, 1.0)


@pytest.mark.parametrize("span", explorer.SPANS)
def test_every_pattern_can_be_had(span):
    """At every span a field has it, and the lattice comes near."""
    for name in explorer.PRESETS:
        result = compute(explorer.start_state(span, name))
        assert result.part == 1
        assert np.abs(result.lattice.realised.vector - result.target.vector).max() < 0.12


@pytest.mark.parametrize("name", ["clusters", "stripes", "checkerboard"])
@pytest.mark.parametrize("span", [2, 4, 6])
def test_patterns_are_mirror_symmetric(name, span):
    """c(i, -j), which maximum entropy chooses, equals c(i, j), and the image has two mirrors."""
    expected = compute(explorer.start_state(span, name)).expected
    for mirrored in (expected[::-1], expected[:, ::-1]):
        np.testing.assert_allclose(mirrored, expected, atol=0.05 * expected.max())
    far = extend(pattern(name, span).matrix, 4, size=64)
    np.testing.assert_allclose(far, far[:, ::-1], atol=1e-6)


def test_a_ring_needs_its_span():
    """The list goes to a span that closes the ring; a smaller one leaves two spots per cell."""
    widget = Explorer(span=2)
    widget.controls["pattern"].value = "ring"
    assert widget.state.encoding.span == patterns.RING_SPAN
    widget.controls["span"].value = 2
    far = widget.result.expected
    assert not np.allclose(far, far[:, ::-1], atol=0.05 * far.max())


def test_ring_scatters_on_a_ring():
    """At all directions more than at its centre and at the corners of the cell."""
    image = compute(explorer.start_state(5, "ring")).expected
    row, column = np.indices(image.shape) * 2 / 63
    distance = np.hypot(row - 1, column - 1)
    on = image[abs(distance - patterns.RING) < 0.05]
    assert on.mean() > 3 * image[distance < 0.1].mean()
    assert on.mean() > 2 * image[abs(distance - 0.5) < 0.05].mean()


@pytest.mark.parametrize("box", ["box1", "box2"])
def test_boxes_are_what_the_network_reads_today(real, box):
    """To the two decimals of the preset; beyond span 4 it is continued, not changed."""
    name = f"{box[:3]} {box[3:]}, read by xrlab"
    vector, _ = predict(real(box)[None], 4)
    np.testing.assert_allclose(pattern(name, 4).vector, vector[0], atol=0.0051)
    np.testing.assert_allclose(pattern(name, 5).matrix[:4, :4], pattern(name, 4).matrix, atol=1e-9)


def test_unknown_pattern_is_refused():
    with pytest.raises(ValueError, match="no pattern 'plaid'"):
        pattern("plaid", 2)


def test_what_no_field_has_is_weakened():
    """The order is taken back in proportion until a field has it, no farther than that."""
    result = compute(State(IMPOSSIBLE))
    assert 0.2 < result.part < 1
    rho = np.sin(np.pi / 2 * result.drawn.vector) / np.sin(np.pi / 2 * result.target.vector)
    np.testing.assert_allclose(rho, result.part, rtol=1e-6)
    again, part = patterns.weaken(result.drawn, 50)
    assert (again, part) == (result.drawn, 1.0)
    words = words_of(result, moved=1)
    assert "|c(0, 1) - c(1, 0)|" in words
    assert "c(1, 0) = −0.90 is past its edge" in words


def test_edge_is_explained():
    """A slider at the end of its range says so, one in the middle does not."""
    low, high = ranges(Encoding.from_vector((0.3, 0.3, 0.1))).sure[2]
    assert "at its edge" not in words_of(compute(State((0.3, 0.3, 0.1))), 2)
    at_edge = compute(State((0.3, 0.3, high - 0.01)))
    assert f"from {low:.2f} to {high:.2f}".replace("-", "−") in words_of(at_edge, 2)


def test_growth_makes_the_nearest_product():
    """Farther correlations follow from the two nearest; the expected image is that of chains."""
    result = compute(State(tuple(pattern("ring", 3).vector), "growth"))
    assert result.target == Encoding.product(*result.target.matrix[[1, 0], [0, 1]], span=3)
    assert "products only" in words_of(result)
    assert compute(State(IMPOSSIBLE, "monte_carlo")).lattice.realised.vector[0] > 0.2


@pytest.mark.parametrize(("h", "k"), [(0, 0), (0.5, 1), (2, 1.3)])
def test_shares_add_up_to_the_intensity(h, k):
    """1, the shares, and the rest are the pixel; without a far rest for a far span."""
    result = compute(explorer.start_state(6, "box 1, read by xrlab"))
    shares, rest, intensity = explorer.feeds(result, h, k)
    assert len(shares) == 5 * 11 + 5
    row, column = round(h * 31.5), round(k * 31.5)
    mean = result.image[:-1, :-1].mean()
    assert intensity == pytest.approx(result.image[row, column] / mean, rel=0.05)
    assert 1 + sum(each.share for each in shares) + rest == pytest.approx(intensity)
    first = shares[0]
    i, j = (int(n) for n in first.name[2:-1].replace("−", "-").split(","))
    h, k = STANDARD_GRID.h_values[row], STANDARD_GRID.k_values[column]
    assert first.wave == pytest.approx(np.cos(2 * np.pi * (h * i + k * j)))
    assert first.correlation == result.delta_pdf[REACH + i, REACH + j]
    assert abs(first.share) == max(abs(each.share) for each in shares)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"sampler": "guess"}, "sampler is one of"),
        ({"size": 51}, "lattice size is one of"),
        ({"lots": 3}, "number of lots is one of"),
        ({"seed": -1}, "seed is a whole number"),
        ({"vector": (0.0,) * 48}, "span is one of"),
        ({"vector": (0.0, 0.0, 2.0)}, "from -1 to 1"),
    ],
)
def test_state_refuses_what_no_control_can_say(wrong, message):
    """Wrong values are named."""
    with pytest.raises(ValueError, match=message):
        State(**{"vector": (0.0, 0.0, 0.0), **wrong})


# Codes


def test_code_carries_every_state():
    """Back and forth, whatever the state; small letters, spaces and line breaks do not matter."""
    rng = np.random.default_rng(1)
    for span in explorer.SPANS:
        for _ in range(20):
            state = State(
                tuple(Encoding.random(span, rng).vector),
                rng.choice(["gaussian", "monte_carlo", "growth"]).item(),
                int(rng.choice(SIZES)),
                int(rng.choice(LOTS)),
                int(rng.integers(1_000_000)),
            )
            code = to_code(state)
            assert from_code(code) == state
            assert from_code(f"  {code.lower().replace('-', ' ')}\n") == state
    assert len(to_code(State((0.1,) * 15))) <= 52


def test_code_tells_what_is_wrong_with_it():
    """Other text, another version, a letter changed, lost or strange: each in words."""
    code = to_code(State((0.6, 0.6, 0.36)))
    for text, message in (
        ("", "begins with XR1"),
        ("hello", "begins with 'hello'"),
        (code.replace("XR1", "XR2"), "version 2"),
        (code[:-1], "changed or lost"),
        (code[:-6], "changed or lost"),
        ("XR1-", "changed or lost"),
        (code + "AAAA", "changed or lost"),
        (code[:5] + "1" + code[6:], "'1'"),
    ):
        with pytest.raises(ValueError, match=message):
            from_code(text)
    for place in range(4, len(code)):
        if code[place] != "-":
            changed = code[:place] + ("B" if code[place] != "B" else "C") + code[place + 1 :]
            with pytest.raises(ValueError, match="changed or lost"):
                from_code(changed)


# The widget


def test_pictures_and_words_follow_the_sliders():
    """Moving a slider changes all pictures, the words, the ranges and the code."""
    widget = Explorer(span=2)
    before, sure, code = widget.pictures.panels, widget.matrix.sure, widget._code.value
    move(widget, 0, -0.7)
    assert widget.target.vector[0] == -0.7
    same = compute(widget.state)
    np.testing.assert_array_equal(widget.result.lattice.sites, same.lattice.sites)
    for old, new in zip(before, widget.pictures.panels, strict=True):
        assert old["title"] == new["title"]
        assert old["data"] != new["data"]
        assert len(new["data"]) == new["rows"] * new["columns"]
    assert widget.matrix.sure != sure
    assert widget._code.value not in (code, "")
    assert f"c(0, 1) = −{-same.lattice.realised.vector[0]:.2f}" in widget._came_out.value
    assert widget.controls["pattern"].value == OWN


def test_pictures_show_the_arrays():
    """Lattice with a upwards, image with h upwards, numbers of the matrix, signs of the ΔPDF."""
    widget = Explorer(span=2, pattern="stripes")
    matrix, lattice, image, _, pdf = (
        np.frombuffer(each["data"], np.uint8).reshape(each["rows"], -1)
        for each in widget.pictures.panels
    )
    result = widget.result
    np.testing.assert_array_equal(lattice[::-1] > 127, result.lattice.sites > 0)
    rows = image[::-1].mean(axis=1)  # bright at h = 1/2 and 3/2
    assert {int(n) for n in rows.argsort()[-6:]} <= {*range(13, 19), *range(45, 51)}
    np.testing.assert_array_equal(
        image == 255, result.image[::-1] >= np.percentile(result.image, 99)
    )
    assert matrix[0, 0] == 255
    assert pdf[REACH, REACH] == 255
    texts = widget.pictures.panels[0]["texts"]
    assert texts[2] == f"−{-result.lattice.realised.matrix[1, 0]:.2f}"
    signs = np.reshape(widget.pictures.panels[4]["texts"], pdf.shape)[::-1]
    assert (signs[REACH + 1, REACH], signs[REACH, REACH + 1]) == ("−", "+")


def test_span_pattern_and_reset():
    """A pattern stays itself at another span; one's own encoding is continued; reset comes back."""
    widget = Explorer(span=2, pattern="clusters")
    first = widget.result.lattice.sites.copy()
    widget.controls["span"].value = 4
    assert list(widget.matrix.values) == list(State(tuple(pattern("clusters", 4).vector)).vector)
    widget.controls["pattern"].value = "checkerboard"
    assert widget.matrix.values[0] == -0.4
    move(widget, 0, -0.5)
    near = widget.target.matrix[:3, :3]
    widget.controls["span"].value = 3
    np.testing.assert_array_equal(widget.target.matrix, near)
    widget.controls["span"].value = 5
    np.testing.assert_array_equal(widget.target.matrix[:3, :3], near)
    widget.controls["seed"].value = 7
    button(widget, "another crystal").click()
    assert widget.state.seed == 8
    button(widget, "reset").click()
    np.testing.assert_array_equal(widget.result.lattice.sites, first)
    assert widget.controls["pattern"].value == "clusters"


def test_nearest_possible():
    """What no lattice has is said with its reason; a button goes to the nearest that one has."""
    widget = Explorer(span=2)
    for place, value in enumerate(IMPOSSIBLE):
        move(widget, place, value)
    assert "No lattice can have this: |c(0, 1) - c(1, 0)|" in widget.status.value
    button(widget, "nearest possible").click()
    assert widget.target.violations() == []
    assert widget.matrix.values[0] > 0.3 > -0.3 > widget.matrix.values[1]
    assert "does what was asked" in widget.status.value


def test_nearest_in_hundredths_is_possible_too():
    """Rounding to what sliders can show does not lead over the border again."""
    widget = Explorer(span=3, pattern="ring")
    for value in (1.0, 0.9, 0.5, -0.8):
        move(widget, 2, value)
        button(widget, "nearest possible").click()
        assert widget.result.part == 1
        assert abs(widget.matrix.values[2]) > 0.2
        button(widget, "reset").click()


def test_growth_locks_what_follows():
    """Only the nearest two can be moved; the others show their products."""
    widget = Explorer(span=3)
    widget.controls["sampler"].value = "growth"
    assert widget.matrix.locked == [1, 3, 4, 5, 6, 7]
    move(widget, 0, 0.5)
    assert widget.matrix.values[:4] == [0.5, 0.25, 0.4, 0.2]
    widget.controls["sampler"].value = "gaussian"
    assert widget.matrix.locked == []


def test_code_is_shown_and_taken():
    """The field's text in another explorer shows the same; a wrong one is told, and all stays."""
    one, two = Explorer(span=3, pattern="ring"), Explorer(span=2)
    one.controls["lots"].value = 64
    one.controls["seed"].value = 5
    two._code.value = one._code.value
    assert two.state == one.state
    np.testing.assert_array_equal(two.result.image, one.result.image)
    two._code.value = "<b>no code"
    assert "cannot be read" in two.status.value
    assert "<b>" not in two.status.value
    assert two.state == one.state


def test_click_sets_the_point():
    """A click into the image goes to the fields, the mark and the table; typing does the same."""
    widget = Explorer(span=2)
    widget.pictures.point = [0.25, 0.75]
    assert (widget._h.value, widget._k.value) == (1.5, 0.5)
    assert "h = 1.50, k = 0.50" in widget._feeds.value
    shares, _, _ = explorer.feeds(widget.result, 1.5, 0.5)
    assert f">{shares[0].name}<" in widget._feeds.value
    widget._h.value = 0.5
    assert widget.pictures.point == [0.25, 0.25]
    widget.pictures.point = [-3.0, 7.0]  # a hand that slipped off
    assert (widget._h.value, widget._k.value) == (2.0, 0.0)


def button(widget, name):
    """Find a button by what is written on it."""
    (found,) = (
        each
        for row in widget.children
        if isinstance(row, ipw.Box)
        for each in row.children
        if isinstance(each, ipw.Button) and each.description == name
    )
    return found
