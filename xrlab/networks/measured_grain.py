"""The earlier network for measured images, which reads the scale of the correlations off the grain.

Its training, calibration and trials had lattices with 6 to 80 lots only, so it separates the
pattern of the crystal from a flat background by the grain of the image. A crystal has none, and its
answers there are confident and wrong. It is kept to compare with, and as a lesson.
"""

from __future__ import annotations

import numpy as np

from xrlab.crystal.arrays import Floats, Reals
from xrlab.crystal.encoding import vector_length
from xrlab.networks.folding import SPAN
from xrlab.networks.measured import EXCHANGED, with_mask
from xrlab.networks.shipped import BATCH, load_network, model_card


def read_grain(images: Reals) -> tuple[Floats, Floats]:
    """Predict the 15 correlations of span 4 and their standard errors, each shape (n, 15).

    Parameters
    ----------
    images : array, shape (n, 64, 64)
        NaN where unmeasured.
    """
    model, calibration = load_network("measured-grain"), model_card("measured-grain")["calibration"]
    n = vector_length(SPAN)
    order = np.concatenate([EXCHANGED, n + EXCHANGED])
    answers = []
    for start in range(0, len(images), BATCH // 2):
        pixels = with_mask(images[start : start + BATCH // 2])[..., :2]
        one, other = (
            np.asarray(model.predict_on_batch(x)["answer"], np.float64)
            for x in (pixels, pixels.swapaxes(1, 2))
        )
        answers.append((one + other[:, order]) / 2)
    answer = np.concatenate(answers)
    factor = [
        np.interp(x, at, factors)
        for x, at, factors in zip(
            answer[:, n:].T, calibration["log_error"], calibration["factor"], strict=True
        )
    ]
    return np.clip(answer[:, :n], -1, 1), np.exp(answer[:, n:]) * np.transpose(factor)
