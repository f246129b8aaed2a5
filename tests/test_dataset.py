"""Data sets do not depend on how they are made."""

import numpy as np
import pytest

from xrlab.crystal.setting import STUDY, Setting
from xrlab.datasets.dataset import CHUNK, generate, make_sample

QUICK = Setting(size=12, lot_size=6, lots=2)


def test_workers_do_not_change_a_sample():
    """One worker or two, short set or long: sample i is the same."""
    one = generate(2, CHUNK + 9, seed=4, setting=QUICK, n_jobs=1, progress=False)
    two = generate(2, CHUNK + 30, seed=4, setting=QUICK, n_jobs=2, progress=False)
    np.testing.assert_array_equal(one.images, two.images[: len(one)])
    np.testing.assert_array_equal(one.encodings, two.encodings[: len(one)])
    image, realised, target = make_sample(2, 4, CHUNK + 5, QUICK)
    np.testing.assert_array_equal(one.images[CHUNK + 5], image)
    np.testing.assert_array_equal(one.encodings[CHUNK + 5], realised.vector.astype("f4"))
    np.testing.assert_array_equal(one.targets[CHUNK + 5], target.vector.astype("f4"))


def test_samples_and_seeds_differ():
    """No two samples are alike, within a set or between seeds."""
    images = np.concatenate(
        [generate(2, 20, seed, QUICK, n_jobs=1, progress=False).images for seed in (1, 2)]
    )
    assert len(np.unique(images.reshape(40, -1), axis=0)) == 40


def test_label_is_the_realised_encoding():
    """A span-4 target that cannot be had is not the label: the image shows what came out."""
    data = generate(4, 4, setting=STUDY, n_jobs=1, progress=False)
    assert np.abs(data.encodings - data.targets).max() > 0.3
    # the image itself confirms the label: its Fourier coefficient (0, 1)
    k = np.linspace(0, 2, 64)[:63]
    cosine = 2 * np.cos(2 * np.pi * k)
    found = (data.images[:, :63, :63] * cosine).mean(axis=(1, 2)) / 2 / (1 - 1 / 25)
    np.testing.assert_allclose(found, data.encodings[:, 0], atol=0.12)


def test_parts_of_a_split_share_nothing():
    """Training, validation and test are different samples, in order."""
    data = generate(2, 12, setting=QUICK, n_jobs=1, progress=False)
    train, validation, test = data.split(5, 4, 3)
    assert [len(part) for part in (train, validation, test)] == [5, 4, 3]
    together = np.concatenate([part.images for part in (train, validation, test)])
    np.testing.assert_array_equal(together, data.images)
    assert len(np.unique(together.reshape(12, -1), axis=0)) == 12


@pytest.mark.parametrize("sizes", [(13,), (6, 7), (12, 0), (-1, 3), ()])
def test_impossible_splits_are_refused(sizes):
    """More than there is, or an empty part."""
    data = generate(2, 12, setting=QUICK, n_jobs=1, progress=False)
    with pytest.raises(ValueError, match="cannot cut 12 samples"):
        data.split(*sizes)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"span": 0}, "span"),
        ({"n_samples": 0}, "at least 1 sample"),
        ({"seed": -1}, "seed"),
        ({"setting": Setting(size=20)}, "does not fit"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    """The error comes before or from the first sample, in plain words."""
    with pytest.raises(ValueError, match=message):
        generate(**{"span": 2, "n_samples": 2, "n_jobs": 1, "progress": False} | arguments)
