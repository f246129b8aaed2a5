"""The shipped network's answers, the fits and the findings for many images at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xrlab.crystal.arrays import Floats, Image, Reals
from xrlab.crystal.grid import STANDARD_GRID
from xrlab.datasets.parallel import in_parallel
from xrlab.inference.physical_fit import PhysicalFit, fit_pixels
from xrlab.interpretation.conclusion import Answer, conclude
from xrlab.interpretation.findings import Finding
from xrlab.networks.measured import EXCHANGED, read
from xrlab.trials.trial import SPAN


def read_all(images: Reals, background: Reals | None = None) -> list[Answer]:
    """Read images, shape (n, 64, 64), and the same images turned, as `xrlab.interpret` does.

    Parameters
    ----------
    images : array, shape (n, 64, 64)
    background : array, shape (n, 2), optional
        What the user says of its share.
    """
    views = [images, images[:, ::-1, ::-1]]
    views += [view.transpose(0, 2, 1) for view in views]
    plain = read(images, SPAN)
    known = plain if background is None else read(images, SPAN, background)
    turned = [read(view, SPAN, background).mean for view in views[1:]]
    turned[1:] = [mean[:, EXCHANGED] for mean in turned[1:]]
    return [
        Answer(
            known.mean[i],
            known.covariance[i],
            np.stack([mean[i] for mean in turned]),
            None if background is None else (plain.mean[i], plain.standard_error[i]),
        )
        for i in range(len(images))
    ]


def fitted(
    images: Reals, background: tuple[float, float] | None = None, *, n_jobs: int = 1
) -> list[PhysicalFit | None]:
    """Fit images; None for those that cannot be."""

    def fit(image: Image) -> PhysicalFit | None:
        try:
            return fit_pixels(image, SPAN, STANDARD_GRID, background=background)
        except ValueError:
            return None

    return list(in_parallel(fit, list(images), n_jobs, "fits"))


def concluded(
    image: Image, answer: Answer, fit: PhysicalFit | None
) -> tuple[Floats, Sequence[Finding]]:
    """Covariance and findings of one image: see `conclude`."""
    return conclude(image, STANDARD_GRID, answer, fit)
