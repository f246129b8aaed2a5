"""The widgets that compute in the browser: their numbers, their modules, what Python adds."""

import re
from pathlib import Path

import numpy as np
import pytest
import run_notebooks
from nbformat.v4 import new_code_cell, new_notebook, new_output

from xrlab import Encoding, predict
from xrlab.course.explorer import REACH, image_pdf
from xrlab.crystal.diffraction import diffraction_image
from xrlab.crystal.kernels import swap_cycles
from xrlab.crystal.lattice import realised_correlations
from xrlab.crystal.samplers import GAIN
from xrlab.widgets import play

SIZE, SPAN, CYCLES, CHAINS, LOT = 50, 2, 120, 6, 25
TARGET = [0.5, -0.3, -0.2]
CHECKERBOARD = np.where(np.indices((SIZE, SIZE)).sum(axis=0) % 2, 1, -1)


@pytest.fixture(scope="module")
def browser_numbers(clusters, by_node):
    """Answers of the modules, computed by Node."""
    given = {
        "grid": play.shared()["grid"],
        "lot": LOT,
        "size": SIZE,
        "reach": REACH,
        "span": SPAN,
        "gain": GAIN,
        "cycles": CYCLES,
        "target": [1, *TARGET],
        "packed": play.pack(clusters.sites),
        "image": diffraction_image(clusters).ravel().tolist(),
        "seeds": list(range(CHAINS)),
    }
    return by_node("play_numbers.mjs", given)


# Numbers of the modules


def test_sites_cross_over(browser_numbers, clusters):
    """Packed in Python, unpacked in the browser, with the correlations of the package."""
    assert browser_numbers["sites"] == clusters.sites.ravel().tolist()
    realised = realised_correlations(clusters.sites, SPAN).matrix.ravel()
    assert browser_numbers["realised"] == pytest.approx(realised, abs=1e-12)
    np.testing.assert_array_equal(play.unpack(play.pack(clusters.sites)), clusters.sites)


def test_map(browser_numbers, clusters):
    """The map is that of the explorer; of all lots it holds the lattice's own correlations."""
    ours = image_pdf(diffraction_image(clusters))
    np.testing.assert_allclose(browser_numbers["map"], ours, atol=1e-5)
    whole = np.array(browser_numbers["whole"])[REACH:, REACH:]
    exact = realised_correlations(clusters.sites, REACH + 1).matrix
    np.testing.assert_allclose(whole, exact, atol=1e-9)


def test_couplings_learn(browser_numbers):
    """They reach the target with the couplings of the package's own swaps."""
    ours = []
    for seed in range(CHAINS):
        rng = np.random.default_rng(seed)
        sites = rng.permutation(np.repeat(np.array([1, -1], np.int8), SIZE**2 // 2))
        sites, coupling = sites.reshape(SIZE, SIZE), np.zeros((SPAN, SPAN))
        swap_cycles(sites, coupling, Encoding.from_vector(TARGET).matrix, CYCLES, GAIN, rng)
        ours.append(coupling.ravel()[1:])
    chains = browser_numbers["chains"]
    theirs = np.array([chain["coupling"][1:] for chain in chains])
    realised = np.array([chain["realised"][1:] for chain in chains])
    assert np.abs(realised.mean(axis=0) - TARGET).max() < 0.03
    spread = np.sqrt((np.var(ours, axis=0) + np.var(theirs, axis=0)) / (CHAINS - 1))
    assert (np.abs(np.mean(ours, axis=0) - theirs.mean(axis=0)) < 5 * spread + 0.005).all()
    assert np.abs(theirs).max() > 0.2
    assert all(chain["opposite"] and np.isfinite(chain["cost"]) for chain in chains)


# One module of several


@pytest.mark.parametrize("name", ["paint", "monte_carlo", "game"])
def test_joined_module_stands_alone(name):
    """Nothing is left to import; each module is there once; names that it takes are given."""
    text = play.joined(name)
    assert "import" not in re.findall(r"^\w+", text, re.MULTILINE)
    assert re.findall(r"^export .*", text, re.MULTILINE) == ["export default { render };"]
    made = re.findall(r"^const (\w+)_js = \(\(\) => \{$", text, re.MULTILINE)
    assert len(set(made)) == len(made) > 3
    for taken, other in re.findall(r"^const \{([^}]*)\} = (\w+)_js;$", text, re.MULTILINE):
        source = (Path(play.__file__).parent / f"{other}.js").read_text(encoding="utf-8")
        for each in filter(None, map(str.strip, taken.split(","))):
            assert re.search(rf"^export (function|class|const) {each}\b", source, re.MULTILINE)


# What Python adds


def test_painter_by_code():
    """Sites come and go; what is no lattice is refused by its shape and values."""
    board = play.LatticePainter("random")
    assert np.abs(board.lattice.realised.vector).max() < 0.1
    board.show(CHECKERBOARD)
    np.testing.assert_array_equal(board.sites, CHECKERBOARD)
    np.testing.assert_allclose(board.lattice.realised.vector, [-1, -1, 1])
    for wrong in (np.ones((4, 4)), np.zeros((SIZE, SIZE)), CHECKERBOARD * 0.5):
        with pytest.raises(ValueError, match="50 × 50 sites of"):
            board.show(wrong)
    with pytest.raises(ValueError, match="spots"):
        play.LatticePainter("spots")


def test_monte_carlo_starts_at_random():
    """Half of the sites are +1, without order; the target is one of span 2."""
    live = play.MonteCarloLive(TARGET, seed=2)
    assert live.sites.sum() == 0
    assert np.abs(live.lattice.realised.vector).max() < 0.1
    np.testing.assert_allclose(live.lattice.target.vector, TARGET)
    with pytest.raises(ValueError, match="three correlations; got 8"):
        play.MonteCarloLive(np.zeros(8))


@pytest.mark.parametrize("level", play.LEVELS)
def test_game_deals(level):
    """The image depends on seed, level and number; the network's answer is that of `predict`."""
    game = play.GuessingGame(seed=5)
    before = game.item
    game.asked = {"level": level, "turn": 0.25}
    item = game.item
    assert (item["level"], item["turn"]) == (level, 0.25)
    assert item["image"] != before["image"]
    image, truth = play.deal(level, 1 if level == "clean" else 0, 5)
    np.testing.assert_array_equal(np.frombuffer(item["image"], "<f4"), image.ravel().astype("f4"))
    assert np.isnan(image).any() == (level != "clean")
    known = {"background": (0, 0), "form_factor": np.ones((64, 64))} if level == "clean" else {}
    mean, error = predict(image[None], kind="measured", **known)
    np.testing.assert_allclose(item["mean"], mean[0], atol=1e-6)
    np.testing.assert_allclose(item["errors"], error[0], atol=1e-6)
    assert item["truth"] == truth.tolist()


def test_unknown_level():
    """Refused by its name."""
    with pytest.raises(ValueError, match=r"levels are clean, laboratory.*got 'easy'"):
        play.deal("easy", 0, 0)


def test_exported_page_keeps_the_widget(tmp_path):
    """A widget that needs no Python stays alive on the page; the game leaves a note."""
    outputs = []
    for widget in (play.LatticePainter(), play.MonteCarloLive(), play.GuessingGame()):
        data, *_ = widget._repr_mimebundle_()
        outputs.append(new_output("display_data", data))
    cells = [new_code_cell("pass", outputs=[each]) for each in outputs]
    run_notebooks.write_page(new_notebook(cells=cells), tmp_path / "page")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert text.count('<script type="module">\nconst') == 2
    assert text.count("A widget is here") == 1
