"""Files that are whole or not there, arrays as bytes."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # a learner's progress is written without NumPy
    import numpy as np
    from numpy.typing import NDArray


def write(path: str | os.PathLike[str], content: str | bytes, advice: str = "") -> Path:
    """Write a file under another name, then rename it: the old one stays until the new is whole.

    Raises
    ------
    OSError
        If it cannot be written; the message names the file and the reason, and ends in the advice.
    """
    path = Path(path)
    target = path.resolve()  # a link stays a link
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    # A file name that is no Unicode comes as lone surrogates, which UTF-8 does not have.
    data = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
    except OSError as error:
        kept = "; the older one is as it was" if target.is_file() else ""
        raise cannot_write(error, path, kept + advice) from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
    return path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give the path of a file to write, of the same name; when it is whole it replaces the old one.

    For libraries that write to a path and nothing else.
    """
    with tempfile.TemporaryDirectory(prefix=".", dir=path.parent) as folder:
        part = Path(folder) / path.name
        yield part
        part.replace(path)


def cannot_write(error: OSError, path: str | os.PathLike[str], then: str) -> OSError:
    """Say what could not be written and why, and `then` what is left or what to do.

    >>> str(cannot_write(OSError(28, "No space left on device"), "a.npy", "; make room"))
    'a.npy cannot be written (No space left on device); make room'
    """
    told = OSError(f"{os.fspath(path)} cannot be written ({error.strerror or error}){then}")
    told.errno = error.errno
    return told


def npy(array: NDArray[np.generic]) -> bytes:
    """Bytes of an NPY file."""
    import numpy as np

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
