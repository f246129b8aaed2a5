"""Corrections of real images, each a function from image to image, and pipelines of them.

The three here are the reference correction of the 2023 study: they bring the brightness and the
contrast of a measured image near those of a simulated one. They know nothing of the form factor,
the background or the symmetry of the crystal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xrlab.diffraction import as_image

Image = NDArray[np.float64]


def normalise_mean(image: ArrayLike) -> Image:
    """Divide by the mean of the measured pixels: x / <x>.

    >>> normalise_mean([[1.0, 3.0], [2.0, 2.0]])
    array([[0.5, 1.5],
           [1. , 1. ]])
    """
    image = as_image(image)
    return image / np.nanmean(image)


def compress_peaks(image: ArrayLike, threshold: float, gamma: float) -> Image:
    """Press what is left of Bragg peaks down towards the diffuse scattering.

    Values x above the threshold t become t + ln(1 + (x - t) / (gamma t)); others stay.

    Parameters
    ----------
    image : array
        NaN where unmeasured.
    threshold : float
        t > 0, on the scale of the image.
    gamma : float
        > 0; the larger, the flatter the peaks.

    Examples
    --------
    >>> compress_peaks([[1.0, 3.0], [2.0, 2.0]], threshold=2.0, gamma=0.5).round(3)
    array([[1.   , 2.693],
           [2.   , 2.   ]])
    """
    image = as_image(image)
    for name, value in (("threshold", threshold), ("gamma", gamma)):
        if not (np.isfinite(value) and value > 0):
            raise ValueError(f"the {name} of compress_peaks is a number above 0; got {value}")
    excess = np.maximum(image - threshold, 0)
    return np.minimum(image, threshold) + np.log1p(excess / (gamma * threshold))


def match_log_moments(image: ArrayLike, mean: float, factor: float) -> Image:
    """Give the logarithm of the image a wanted mean u and widen its spread m^2 times.

    x becomes exp(u + (ln x - <ln x>) m^2), the mean taken over the measured pixels.

    Parameters
    ----------
    image : array
        Positive, NaN where unmeasured.
    mean : float
        u, the mean of ln x afterwards.
    factor : float
        m > 0.

    Raises
    ------
    ValueError
        If a pixel is 0: its logarithm does not exist.

    Examples
    --------
    >>> match_log_moments([[1.0, 4.0]] * 2, mean=0.0, factor=1.0)
    array([[0.5, 2. ],
           [0.5, 2. ]])
    """
    image = as_image(image)
    if not np.isfinite(mean) or not (np.isfinite(factor) and factor > 0):
        raise ValueError(
            f"match_log_moments takes a number as mean and one above 0 as factor; "
            f"got {mean} and {factor}"
        )
    if np.nanmin(image) <= 0:
        raise ValueError(
            f"{np.count_nonzero(image == 0)} pixels are 0 and have no logarithm; "
            f"set them to NaN if they were not measured"
        )
    log = np.log(image)
    return np.exp(mean + (log - np.nanmean(log)) * factor**2)


def fill_unmeasured(image: ArrayLike) -> Image:
    """Put a guess wherever nothing was measured: the mean of the measured pixels.

    A network needs a number in every pixel, and the mean is the one that says least. A lattice of
    two kinds of site gives an image that inversion leaves as it is, so a pixel whose opposite on
    the image (the point reached by turning it half round) was measured takes that value instead.
    This holds when the centre of the image is a Bragg position, as on the standard grid.

    >>> fill_unmeasured([[np.nan, 1.0], [3.0, 5.0]])
    array([[5., 1.],
           [3., 5.]])
    """
    image = as_image(image)
    opposite = image[::-1, ::-1]
    guess = np.where(np.isnan(opposite), np.nanmean(image), opposite)
    return np.where(np.isnan(image), guess, image)


@dataclass(frozen=True)
class Pipeline:
    """Named corrections applied one after the other.

    Parameters
    ----------
    steps : tuple of (function, parameters)
        Each function takes an image and returns one; its parameters go with it.

    Examples
    --------
    >>> brighten = Pipeline(((normalise_mean, {}), (match_log_moments, {"mean": 0, "factor": 2})))
    >>> list(brighten.stages([[1.0, 3.0], [2.0, 2.0]]))
    ['measured', 'normalise_mean', 'match_log_moments']
    """

    steps: tuple[tuple[Callable[..., Image], dict[str, float]], ...]

    def __call__(self, image: ArrayLike) -> Image:
        """Return the image after the last step."""
        return list(self.stages(image).values())[-1]

    def stages(self, image: ArrayLike) -> dict[str, Image]:
        """Return the image as it came and after every step, by name."""
        stage = as_image(image)
        stages = {"measured": stage}
        for function, parameters in self.steps:
            stage = function(stage, **parameters)
            stages[function.__name__] = stage
        return stages

    def __str__(self) -> str:
        return " -> ".join(
            f"{function.__name__}({', '.join(f'{k}={v:g}' for k, v in parameters.items())})"
            for function, parameters in self.steps
        )


# Found by the author of the study for box 1 of dichlorodinitrobenzene, to make its histogram
# match that of the simulated training images.
REFERENCE_PIPELINE = Pipeline(
    (
        (normalise_mean, {}),
        (compress_peaks, {"threshold": 1.66, "gamma": 20.0}),
        (match_log_moments, {"mean": -2.218, "factor": 1.5}),
    )
)
