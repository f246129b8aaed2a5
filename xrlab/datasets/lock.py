"""Folders in which one run works at a time."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

# Name of the file in a folder by which runs keep out of each other's way.
LOCK = ".lock"


class InUseError(OSError):
    """Another run is at work in the same place."""


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
