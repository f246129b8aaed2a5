"""Names for arrays by what they hold, as all signatures of xrlab write them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Reals = NDArray[np.floating]
Waves = NDArray[np.complex128]
Integers = NDArray[np.intp]
Mask = NDArray[np.bool_]

# +1 or -1 at every site of a lattice, shape (N, N).
Sites = NDArray[np.int8]

# Intensities, shape (rows, columns), NaN where unmeasured.
Image = NDArray[np.float64]
