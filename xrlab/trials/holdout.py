"""Two hold-out tests: one image read with several spans, and an image that gets worse and worse.

Nothing here trains. `decoded_comparisons` repeats a test of the study of 2023: what networks of
spans 2, 3 and 4 read off one image is simulated again and set beside the image. `degradation` and
`degradation_curve` turn a clean image into that of a bad day and ask who can still read it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from xrlab.crystal.arrays import Floats, Reals, Singles
from xrlab.crystal.encoding import Encoding, vector_length
from xrlab.crystal.setting import STUDY, Setting
from xrlab.datasets.parallel import in_parallel
from xrlab.inference.metrics import image_r2, mean_squared_error
from xrlab.networks.shipped import load_network, run_model

SPANS = (2, 3, 4)

# How the row with the true encoding is called, beside "span 2", "span 3", ...
TRUTH = "true encoding"

# Further realisations of the true encoding, of which the mean stands for the expected image.
COPIES = 4


# One image, several spans


@dataclass(frozen=True, eq=False)
class Decoded:
    """Images, the encodings read off them, and the images that these give.

    Parameters
    ----------
    names : tuple of str
        Where the encodings come from: "span 2", "span 3", ... and last "true encoding", the
        ceiling: what a method that makes no mistake would reach.
    images : float32 array, shape (n, 64, 64)
    encodings : tuple of arrays, shape (n, span^2 - 1) each
        By name.
    simulated : float32 array, shape (n, names, 64, 64)
        Images of new lattices with these encodings.
    expected : float32 array, shape (n, 64, 64)
        Mean of several realisations of the true encoding: the image almost without chance.
    r2, mse : arrays, shape (n, names)
        Of the simulated image against the image.
    r2_expected, mse_expected : arrays, shape (n, names)
        Of the simulated image against the expected one.
    """

    names: tuple[str, ...]
    images: Singles
    encodings: tuple[Floats, ...]
    simulated: Singles
    expected: Singles
    r2: Floats
    mse: Floats
    r2_expected: Floats
    mse_expected: Floats

    @property
    def mse_ratio(self) -> Floats:
        """Mean squared error of the simulated image in units of the ceiling's, shape (n, names).

        1 is as near as another lattice with the true encoding.
        """
        return self.mse / self.mse[:, -1:]


def decoded_comparisons(
    images: ArrayLike,
    encodings: ArrayLike,
    spans: Sequence[int] = SPANS,
    setting: Setting = STUDY,
    seed: int = 0,
    *,
    n_jobs: int = -1,
    progress: bool = True,
) -> Decoded:
    """Read many clean images with the networks of several spans and simulate every answer.

    Parameters
    ----------
    images : array, shape (n, 64, 64)
        Clean and whole.
    encodings : array, shape (n, components)
        The realised encodings of their lattices: the truth.
    spans : sequence of int
    setting : Setting
        How the images were made; the answers are simulated in the same way.
    seed : int
        Lattice m of image i depends on (seed, i, m) alone.
    n_jobs : int
        Threads; -1 for one per core.
    progress : bool
        Show a progress bar.

    Raises
    ------
    ValueError
        If there is no network for a span, or images and encodings do not belong together.

    Examples
    --------
    >>> from xrlab import generate
    >>> data = generate(span=4, n_samples=2, setting=STUDY, n_jobs=1, progress=False)
    >>> decoded = decoded_comparisons(data.images, data.encodings, progress=False)
    >>> decoded.names, decoded.r2.shape
    (('span 2', 'span 3', 'span 4', 'true encoding'), (2, 4))
    """
    stack, truth = np.asarray(images, np.float32), np.asarray(encodings, np.float64)
    if len(stack) != len(truth):
        raise ValueError(f"there are {len(stack)} images and {len(truth)} encodings")
    answers = [
        np.clip(run_model(load_network(f"cfs{n}"), stack), -1, 1, dtype=float) for n in spans
    ]
    answers.append(truth)

    def simulated(i: int, vector: Floats, m: int) -> Singles:
        rng = np.random.default_rng([seed, i, m])
        return setting.image(setting.simulate(Encoding.from_vector(vector), rng), rng)

    def again(i: int) -> tuple[Singles, Singles]:
        own = [simulated(i, vectors[i], m) for m, vectors in enumerate(answers)]
        others = [simulated(i, truth[i], len(answers) + m) for m in range(COPIES)]
        return np.array(own), np.mean(others, axis=0)

    made = in_parallel(again, range(len(stack)), n_jobs, "simulating" if progress else "")
    resimulated, expected = (np.array(part) for part in zip(*made, strict=True))

    def scores(score: Callable[[Reals, Reals], float], first: Reals) -> Floats:
        pairs = zip(first, resimulated, strict=True)
        return np.array([[score(image, one) for one in several] for image, several in pairs])

    return Decoded(
        names=(*(f"span {span}" for span in spans), TRUTH),
        images=stack,
        encodings=tuple(answers),
        simulated=resimulated,
        expected=expected,
        r2=scores(image_r2, stack),
        mse=scores(_image_mse, stack),
        r2_expected=scores(image_r2, expected),
        mse_expected=scores(_image_mse, expected),
    )


def _image_mse(first: Reals, second: Reals) -> float:
    """Mean squared difference of two images, each of mean 1, as in `image_r2`."""
    return mean_squared_error(first / first.mean(), second / second.mean())


def common_part(vectors: ArrayLike, span: int) -> Floats:
    """Cut encodings, shape (n, components), down to those of a smaller span.

    >>> common_part(np.arange(1, 16)[None], 2)
    array([[1., 4., 5.]])
    """
    array = np.asarray(vectors, np.float64)
    large = Encoding.from_vector(np.zeros(array.shape[1])).span
    if vector_length(span) > array.shape[1]:
        raise ValueError(f"encodings of span {large} hold none of span {span}")
    places = np.arange(large**2).reshape(large, large)[:span, :span].ravel()[1:] - 1
    return array[:, places]
