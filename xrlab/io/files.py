"""Files that are whole or not there, folders in which one run works at a time, arrays as bytes."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:  # a learner's progress is written without NumPy
    import numpy as np
    from numpy.typing import NDArray

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


# Name of the file in a folder by which runs keep out of each other's way.
LOCK = ".lock"


class InUseError(OSError):
    """Another run is at work in the same place."""


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


@contextmanager
def alone(folder: str | os.PathLike[str], advice: str) -> Iterator[None]:
    """Keep other runs out of a folder until this one is done.

    The system gives the lock back when the process ends, however it ends. Where a file system has
    no locks, as some network disks, nobody is kept out.

    Parameters
    ----------
    folder : path
        It must be there.
    advice : str
        What to do when another run is at work; the end of the message.

    Raises
    ------
    InUseError
        If another run is at work there.
    OSError
        If the folder cannot be written to.
    """
    path = Path(folder) / LOCK
    with _open_locked(path, advice) as file:
        file.truncate(0)
        file.write(str(os.getpid()).encode())
        file.flush()
        try:
            yield
        finally:
            if sys.platform != "win32":
                path.unlink(missing_ok=True)  # before it is given back: the next run makes its own
    if sys.platform == "win32":
        with suppress(OSError):  # the next run has it open
            path.unlink()


def _open_locked(path: Path, advice: str) -> BinaryIO:
    while True:
        file = path.open("a+b")
        try:
            if not _lock(file):
                file.seek(0)
                number = "" if sys.platform == "win32" else file.read(20).decode("ascii", "replace")
                by = f" (process {number})" if number.isdecimal() else ""
                raise InUseError(f"another run{by} is at work in {path.parent}: {advice}")
            if sys.platform == "win32" or _is_there(file, path):
                return file
        except BaseException:
            file.close()
            raise
        file.close()  # the run that had it has just removed it


def _is_there(file: BinaryIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _lock(file: BinaryIO) -> bool:
    """Take the lock of a file: whether it was free, or the file system knows none."""
    try:
        if sys.platform == "win32":
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return True
    return True


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
