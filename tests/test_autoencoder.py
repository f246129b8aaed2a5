"""Tests of the auto-encoder, its rivals and what is read off both."""

import numpy as np
import pytest
from scipy.stats import gamma, norm

from xrlab.course.autoencoder import image_autoencoder, principal_components, read, speckle_deviance

LOTS, LOT_SIZE = 8, 5


def waves(n, seed):
    """Images 8 x 8 whose logarithm is one wave of random height, with speckles; the heights."""
    rng = np.random.default_rng(seed)
    height = rng.normal(0, 0.7, (n, 1))
    log_s = height[:, :, None] * np.cos(np.pi * np.arange(8) / 4)[None, :, None]
    s = np.exp(log_s + np.zeros(8))
    return gamma.rvs(LOTS, scale=s / LOTS, random_state=rng), height


@pytest.fixture(scope="module")
def trained():
    """An auto-encoder with two latent values, one more than needed, and its losses."""
    images, _ = waves(300, 0)
    made = image_autoencoder(2, kl_weight=1, lots=LOTS, lot_size=LOT_SIZE, shape=(8, 8), seed=1)
    return made, made.fit(images, epochs=40, learning_rate=5e-3, seed=1)


def test_it_finds_the_number_behind_images_without_a_label(trained):
    """One wave of random height: the height can be read, and one latent value is enough."""
    made, losses = trained
    known, unseen = waves(200, 1), waves(100, 2)
    found = read(made.latent(known[0])[0], known[1], made.latent(unseen[0])[0], degree=2)
    assert np.corrcoef(found[:, 0], unseen[1][:, 0])[0, 1] > 0.95
    assert losses[-1] < losses[0]
    assert losses[-1] < 0  # better than a grey picture, all costs paid
    low, high = np.sort(made.information(unseen[0]))
    assert low < 0.3 * high


def test_it_draws_what_lies_behind_the_speckles(trained):
    """The drawing is nearer to the expected image than the speckled image is."""
    made, _ = trained
    images, height = waves(50, 3)
    wave = np.cos(np.pi * np.arange(8) / 4)[None, :, None] + np.zeros(8)
    truth = np.exp(height[:, :, None] * wave)
    scaled = truth / images.mean(axis=(1, 2), keepdims=True)
    drawn = made.draw(made.latent(images)[0])
    relative = images / images.mean(axis=(1, 2), keepdims=True)
    assert np.mean((drawn - scaled) ** 2) < 0.5 * np.mean((relative - scaled) ** 2)


def test_scale_of_an_image_does_not_matter(trained):
    """Counts or Laue units: the same latent values."""
    made, _ = trained
    images, _ = waves(5, 4)
    np.testing.assert_allclose(made.latent(images)[0], made.latent(1000 * images)[0], atol=1e-4)


def test_information_is_the_divergence(trained):
    """It agrees with the integral of p ln(p/q) over each latent value."""
    made, _ = trained
    images, _ = waves(3, 5)
    z = np.linspace(-12, 12, 20001)
    total = np.zeros(2)
    for mean, deviation in zip(*made.latent(images), strict=True):
        for n in range(2):
            p = norm(mean[n], deviation[n])
            total[n] += np.trapezoid(p.pdf(z) * (p.logpdf(z) - norm.logpdf(z)), z)
    np.testing.assert_allclose(made.information(images), total / 3, rtol=1e-3, atol=1e-6)


def test_seed_decides_everything():
    """The same seeds give the same losses, another one others."""
    images, _ = waves(40, 6)
    losses = [
        image_autoencoder(1, lots=LOTS, lot_size=LOT_SIZE, shape=(8, 8), seed=seed).fit(
            images, epochs=2, seed=seed
        )
        for seed in (1, 1, 2)
    ]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)
    assert abs(losses[0][0] - losses[2][0]) > 1e-3


def test_a_dear_nat_is_not_spent():
    """With a very high price of information, the latent values say nothing."""
    images, _ = waves(60, 7)
    made = image_autoencoder(2, kl_weight=1e4, lots=LOTS, lot_size=LOT_SIZE, shape=(8, 8))
    made.fit(images, epochs=20, learning_rate=5e-3)
    assert made.information(images).max() < 0.05


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"n_latent": 0}, "1 or more"),
        ({"lots": 0}, "1 or more"),
        ({"kl_weight": -1}, "0 or more"),
        ({"kl_weight": np.nan}, "0 or more"),
        ({"shape": (8, 7)}, "even"),
    ],
)
def test_what_cannot_be_built(arguments, words):
    """Each argument outside its range is named."""
    with pytest.raises(ValueError, match=words):
        image_autoencoder(**arguments)


def test_what_cannot_be_used(trained):
    """Images of another shape, NaN, darkness, latent values of another number, no epoch."""
    made, _ = trained
    images, _ = waves(4, 8)
    with pytest.raises(ValueError, match="takes images of shape"):
        made.latent(images[0])
    for bad in (np.nan, -1.0):
        spoiled = images.copy()
        spoiled[0, 0, 0] = bad
        with pytest.raises(ValueError, match="0 or more"):
            made.latent(spoiled)
    with pytest.raises(ValueError, match="somewhere above 0"):
        made.fit(0 * images)
    with pytest.raises(ValueError, match="latent values have shape"):
        made.draw(np.zeros((1, 3)))
    with pytest.raises(ValueError, match="1 or more"):
        made.fit(images, epochs=0)


def test_principal_components_are_those_of_the_singular_values():
    """They agree with the singular value decomposition, up to the sign of each."""
    rng = np.random.default_rng(9)
    train, others = rng.normal(size=(20, 6, 6)), rng.normal(size=(5, 6, 6))
    first, second = principal_components(train, others, 4)
    centred = (train - train.mean(axis=0)).reshape(20, -1)
    directions = np.linalg.svd(centred, full_matrices=False)[2][:4].T
    np.testing.assert_allclose(abs(first), abs(centred @ directions), atol=1e-9)
    moved = (others - train.mean(axis=0)).reshape(5, -1)
    np.testing.assert_allclose(abs(second), abs(moved @ directions), atol=1e-9)
    with pytest.raises(ValueError, match="1 to 20 components"):
        principal_components(train, others, 21)
    with pytest.raises(ValueError, match="one shape"):
        principal_components(train, others[:, :5], 2)


def test_reading_undoes_turns_and_bends():
    """A turn is read by degree 1 exactly, a square only by degree 2."""
    rng = np.random.default_rng(10)
    values, others = rng.normal(size=(50, 2)), rng.normal(size=(9, 2))
    turn = np.array([[0.6, 0.8], [-0.8, 0.6]])
    np.testing.assert_allclose(read(values @ turn + 3, values, others @ turn + 3), others)
    bent = values[:, :1] * values[:, 1:] + values[:, :1] ** 2
    expected = others[:, :1] * others[:, 1:] + others[:, :1] ** 2
    np.testing.assert_allclose(read(values, bent, others, 2), expected, atol=1e-9)
    assert abs(read(values, bent, others) - expected).max() > 0.1
    with pytest.raises(ValueError, match="degree"):
        read(values, values, others, 3)
    with pytest.raises(ValueError, match="too few"):
        read(values[:5], values[:5], others, 2)


def test_deviance_of_speckles_is_known():
    """For M lots, ln M - psi(M), about 1/(2 M); a drawing that misses a factor of 2 has more."""
    from scipy.special import digamma

    rng = np.random.default_rng(11)
    s = np.exp(rng.normal(size=(2, 200, 200)))
    s /= s.mean(axis=(1, 2), keepdims=True)
    images = gamma.rvs(8, scale=s / 8, random_state=rng)
    np.testing.assert_allclose(speckle_deviance(images, s), np.log(8) - digamma(8), rtol=0.03)
    np.testing.assert_allclose(speckle_deviance(7 * s, s), 0, atol=1e-12)
    wrong = s * np.where(np.arange(200) < 100, 0.5, 1.5)
    assert (speckle_deviance(images, wrong) > 0.15).all()
    with pytest.raises(ValueError, match="one shape"):
        speckle_deviance(images, s[0])
