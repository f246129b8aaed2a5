"""Inner loops, compiled by numba; where there is no numba, as NumPy and Python run them.

A browser, for instance, has no compiler. Random numbers are drawn and rounding errors made in the
same order either way, so the same seed gives the same lattice.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

Kernel = Callable[..., Any]

try:
    from numba import njit
except ImportError as error:  # not installed, or not for this NumPy or Python
    njit = None  # type: ignore[assignment]
    warnings.warn(
        f"simulating without numba ({error}): the same results, but Monte Carlo takes some 40 "
        "times as long; sampler='gaussian' is quick. Where there is one, `pip install numba`",
        stacklevel=2,
    )


def compiled(plain: Kernel | None = None) -> Callable[[Kernel], Kernel]:
    """Compile the decorated function; without numba take its twin `plain`, or leave it as it is.

    Parameters
    ----------
    plain : function, optional
        Does the same in NumPy or plain Python, written for speed there.
    """

    def choose(kernel: Kernel) -> Kernel:
        if njit is None:
            return plain or kernel
        return njit(cache=True, nogil=True)(kernel)

    return choose
