"""One's own network for measured images: its YAML file, its training, and what reads with it."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from xrlab import interpret
from xrlab.crystal.spectra import random_crystal
from xrlab.io.fetch import simulated_measurement
from xrlab.measurement.instrument import Range
from xrlab.networks.measured import measured_network, read
from xrlab.networks.shipped import WEIGHTS
from xrlab.training import own
from xrlab.training.conditions import CRYSTALS, EFFECTS, SHIPPED, Conditions, read_conditions
from xrlab.training.measured_images import measured_set, random_measurement

PAGE = Path(__file__).parents[1] / "docs" / "own_instrument.md"


@pytest.fixture
def conditions(tmp_path):
    """From YAML text to conditions, the file lying in a folder with a mask and a form factor."""
    masked = np.random.default_rng(1).random((64, 64))
    np.save(tmp_path / "factor.npy", masked)
    masked[:, 20:25] = np.nan
    np.save(tmp_path / "mask.npy", masked)
    np.save(tmp_path / "small.npy", masked[:32, :32])
    masked[10:] = np.nan
    np.save(tmp_path / "dark.npy", masked)

    def make(text):
        path = tmp_path / "mine.yaml"
        path.write_text(text, encoding="utf-8")
        return read_conditions(path)

    return make


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "blurr: {width: 0.1}",
            r"mine.yaml: .*'blurr'; did you mean 'blur'\? There are env",
        ),
        ("blur: {with: 0.1}", r"blur: .*no key 'with'; did you mean 'width'\? There are width"),
        ("blur: {width: [0.1, 0.05]}", r"blur: width is \[lowest, highest\].*got \[0.1, 0.05\]"),
        ("blur: {width: [0.1, 0.2, 0.3]}", r"blur: width is .*got \[0.1, 0.2, 0.3\]"),
        ("blur: {width: wide}", "blur: width is .*got 'wide'"),
        ("blur: {width: [true, 2]}", "blur: width is .*got True"),
        ("blur: {width: [0, 0.05]}", "blur: width of blur must be above 0; got 0"),
        ("blur: 0.1", r"blur: give its parameters, such as \{width: .*or false; got 0.1"),
        ("gaps in h: {width: [0.1, 2], period: 1}", "gaps in h: gaps need a width below"),
        ("gaps in h: {axis: 1}", "gaps in h: there is no key 'axis'"),
        (
            "crystals: {domain: 1}",
            r"crystals: .*'domain'; did you mean 'domains'\?",
        ),
        ("crystals: {domains: 0}", "crystals: weights are 0 or more, one of them above 0"),
        ("crystals: [domains]", "crystals: give a weight to each kind"),
        ("window: [0.5, 0]", r"window: give whole h and k .*got \[0.5, 0\]"),
        ("mask: none.npy", "mask: .*none.npy"),
        ("mask: 3", "mask is the name of an image file; got 3"),
        ("mask: small.npy", "mask is an image of 64 x 64 pixels; small.npy has 32 x 32"),
        ("mask: dark.npy", "mask: 8.% of the pixels of dark.npy are unmeasured; 70% may be"),
        ("- blur", r"mine.yaml holds keys with values.*got \['blur'\]"),
        ("blur: {width", "mine.yaml is no YAML"),
    ],
)
def test_mistakes_in_the_file_are_named(conditions, text, message):
    """The key, what was given, and what is allowed."""
    with pytest.raises(ValueError, match=message):
        conditions(text)


def test_what_the_file_says_holds_for_every_image(conditions):
    """Parameters lie in their ranges; absent effects change nothing; the mask is the only one."""
    text = (
        "background: {constant: [5, 10], air: 0, ring: 0}\nblur: {width: 1e-1}\nenvelope: false\n"
        "bragg: false\ncounting: false\nsaturation: {ceiling: 12}\nbad pixels: false\n"
        "window: [2, -4]\nmask: mask.npy\ncrystals: {disordered: 3, log_series: 0}"
    )
    made = conditions(text)
    assert made.effects["background"]["constant"] == Range(5, 10)
    assert made.effects["blur"] == {"width": 0.1}
    assert conditions("counting: {exposure: [1, 10]}").effects["counting"]["exposure"].log
    images = measured_set(40, 3, (np.empty(0), np.empty(0)), made)
    assert np.abs(images.vectors).max() < 1e-12  # crystals of the only kind asked for
    np.testing.assert_array_equal(images.form_factors, 1)
    # Share b / (1 + b) of a background b = 5 to 10, to which smooth nuisances may add.
    assert 5 / 6 - 0.01 < images.shares.min() < images.shares.max() < 0.96
    hidden = np.isnan(images.images)
    assert hidden[:, :, 20:25].all()
    assert hidden.sum() == 40 * 64 * 5
    clean = 1 + np.cos(np.linspace(0, 4 * np.pi, 64))[:, None] * np.ones(64)
    taken = random_measurement(5 * clean, np.random.default_rng(2), made)
    assert np.nanmax(taken.image) == 12


def test_a_given_form_factor_is_that_of_every_image(conditions):
    """Up to a smooth error of some per cent."""
    made = conditions("envelope: {values: factor.npy}")
    known = made.effects["envelope"]["values"] / made.effects["envelope"]["values"].mean()
    for seed in range(10):
        taken = random_measurement(np.ones((64, 64)), np.random.default_rng(seed), made)
        np.testing.assert_allclose(taken.form_factor, known, rtol=0.5)
        assert np.corrcoef(taken.form_factor.ravel(), known.ravel())[0, 1] > 0.95


def test_a_mask_is_that_of_every_image(conditions):
    """Even where nothing else is given, of perfect images."""
    images = measured_set(60, 1, (np.empty(0), np.empty(0)), conditions("mask: mask.npy")).images
    hidden = np.isnan(images)
    assert hidden[:, :, 20:25].all()
    assert hidden.sum() == 60 * 64 * 5


def test_nothing_given_changes_nothing():
    """Empty conditions draw the images of the shipped ranges."""
    lattices = (np.empty(0), np.empty(0))
    shipped, same = measured_set(4, 5, lattices), measured_set(4, 5, lattices, Conditions())
    np.testing.assert_array_equal(shipped.images, same.images)
    assert SHIPPED.crystals is None
    kinds = {random_crystal(np.random.default_rng(n), {"maxima": 1}).kind for n in range(5)}
    assert kinds == {"maxima"} < set(CRYSTALS)


def test_the_second_making_has_the_same_ranges(conditions):
    """Every instrument of the calibration has what is given, lacks what is absent, keeps the rest.

    The order of the effects is that of a measurement.
    """
    made = own.instruments(
        conditions("blur: {width: 0.1}\nsaturation: {ceiling: 50}\nbragg: false\nmask: mask.npy")
    )
    assert len(made) > 3
    for instrument in made:
        given = {name: parameters for name, _, parameters in instrument.effects}
        assert given["blur"] == {"width": 0.1}
        assert given["saturation"]["ceiling"] == 50
        assert not {"bragg", "gaps in h", "gaps in k", "beam stop"} & given.keys()
        assert list(given) == [name for name in EFFECTS if name in given]
        assert {"envelope", "background", "counting"} < given.keys()


def test_the_example_of_the_page_is_right(conditions):
    """Every YAML block of the how-to page is a file that the command takes."""
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    for block in blocks:
        assert conditions(block).effects


# The command


TINY = ["--rounds", "2", "--size", "128", "--images", "6", "24", "6"]


def test_impossible_sizes_are_refused_at_once(tmp_path, capsys):
    """Before any file is read."""
    for wrong in (["--rounds", "0"], ["--size", "100"], ["--images", "6", "5", "6"]):
        assert own.main(["none.yaml", "--out", str(tmp_path), *wrong]) == 2
        assert "1 round or more of 128 images or more" in capsys.readouterr().err


@pytest.mark.notebook
def test_an_interrupted_training_goes_on_and_interpret_takes_its_network(
    conditions, tmp_path, monkeypatch, capsys
):
    """A second start does the rounds that are left; the card, ONNX and Keras files are read."""
    conditions("blur: {width: [0.08, 0.12]}\nsaturation: false")
    file, folder = tmp_path / "mine.yaml", tmp_path / "network"
    rounds, validate = [], own.validate

    def interrupted(model, trial):
        rounds.append(validate(model, trial))
        if len(rounds) == 2:
            raise KeyboardInterrupt
        return rounds[-1]

    monkeypatch.setattr(own, "validate", interrupted)
    assert own.main([str(file), "--out", str(folder), *TINY]) == 130
    assert "the same command goes on after the last round" in capsys.readouterr().err
    file.write_text("blur: {width: 0.1}", encoding="utf-8")
    assert own.main([str(file), "--out", str(folder), *TINY]) == 2
    assert "checkpoint of another training, with conditions" in capsys.readouterr().err
    conditions("blur: {width: [0.08, 0.12]}\nsaturation: false")
    code = own.main([str(file), "--out", str(folder), *TINY])
    output = capsys.readouterr()
    assert "round 2 of 2" in output.err
    assert "round 1 of 2" not in output.err
    assert sorted(path.name for path in folder.iterdir()) == [
        *("mine.json", "mine.keras", "mine.onnx")
    ]
    card = json.loads((folder / "mine.json").read_text(encoding="utf-8"))
    assert card["conditions"] == file.read_text(encoding="utf-8")
    assert card["images_seen"] == 256
    assert card["verdict"] in output.out
    assert code == card["verdict"].startswith("NOT")
    # The network reads images, by its folder or any of its files, and not as the shipped one does.
    image = simulated_measurement(1)
    mine = interpret(image, span=2, fit=False, model=folder)
    by_file = interpret(image, span=2, fit=False, model=folder / "mine.onnx")
    shipped = interpret(image, span=2, fit=False)
    np.testing.assert_array_equal(mine.covariance, by_file.covariance)
    expected = read(image[None], 2, network=measured_network(folder / "mine.json"))
    np.testing.assert_allclose(mine.encoding.vector, expected.mean[0], atol=1e-6)
    assert np.abs(mine.covariance / shipped.covariance - 1).max() > 0.01


def test_verdict_asks_for_more_than_chance():
    """A log score higher by two standard errors; the rival is named."""
    better = own.verdict("shipped", 0.3, 0.1)
    assert better.startswith("better than the network 'shipped'")
    assert better.endswith("+0.30 ± 0.10")
    for chance in (0.3, 0.15):
        assert own.verdict("shipped", 0.3, chance + 0.01).startswith("NOT better")
    assert own.verdict("shipped", -0.3, 0.1).startswith("NOT better")


# Networks that do not fit


def test_networks_that_cannot_be_used_are_refused(tmp_path):
    """Another kind of network, a card of another one, damaged and missing files: all say so."""
    image = simulated_measurement(1)

    def refused(message, error=ValueError, model=tmp_path):
        with pytest.raises(error, match=message):
            interpret(image, fit=False, model=model)

    refused("holds one network, NAME.onnx; there is none", FileNotFoundError)
    refused("nothing.onnx", FileNotFoundError, tmp_path / "nothing.onnx")
    shutil.copy(WEIGHTS / "cfs2.onnx", tmp_path)
    card = json.loads((WEIGHTS / "measured.json").read_text(encoding="utf-8"))
    (tmp_path / "cfs2.json").write_text("{", encoding="utf-8")
    refused("the card of .*cfs2.onnx is damaged")
    shutil.copy(WEIGHTS / "cfs2.json", tmp_path)
    refused("cfs2.json has no calibration")
    (tmp_path / "cfs2.json").write_text(json.dumps(card), encoding="utf-8")
    refused("cfs2.onnx is no network for measured images: it takes")
    (tmp_path / "cfs2.json").write_text(json.dumps(card | {"sha256": "0"}), encoding="utf-8")
    refused("cfs2.onnx is not the network that its card describes")
    shutil.copy(WEIGHTS / "measured.onnx", tmp_path)
    refused("there is cfs2.onnx, measured.onnx", FileNotFoundError)
    with pytest.raises(ValueError, match="model is for kind='measured'; leave model='x' out"):
        interpret(image, kind="simulated", model="x")
