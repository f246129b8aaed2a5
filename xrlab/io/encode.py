"""Arrays as the bytes of a file."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray


def npy(array: NDArray[np.generic]) -> bytes:
    """Bytes of an NPY file."""
    file = BytesIO()
    np.save(file, array)
    return file.getvalue()


def tif(image: NDArray[np.generic]) -> bytes:
    """Bytes of a TIFF file, intensities as they are."""
    import tifffile

    file = BytesIO()
    tifffile.imwrite(file, image)
    return file.getvalue()


def png(image: NDArray[Any]) -> bytes:
    """Bytes of a PNG picture of 512 pixels, in colours."""
    from xrlab.drawing.png import picture

    return picture(image, pixels=512)


WRITERS: dict[str, Callable[..., bytes]] = {".npy": npy, ".tif": tif, ".tiff": tif, ".png": png}
