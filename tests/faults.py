"""Faults to inject: a disk that is full or cannot be written, a process that dies in a write."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

needs_sigkill = pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL on Windows")

# Put before a program: the n-th time that a file is about to be complete, the process is killed.
DIE_IN_WRITE = """
import os, signal
left, fsync = {n}, os.fsync
def die(file):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    fsync(file)
os.fsync = die
"""


def python(program: str, **options: object) -> subprocess.Popen:
    """Start a program that can import xrlab and the tests."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "tools"), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.Popen([sys.executable, "-c", program], text=True, env=environment, **options)


def wait_for(condition: Callable[[], bool], process: subprocess.Popen | None = None) -> bool:
    """Wait until a condition holds; False if the process ended before."""
    while not condition():
        if process and process.poll() is not None:
            return False
        time.sleep(0.01)
    return True


@contextmanager
def small_disk(size: str = "1m") -> Iterator[Path]:
    """Mount a disk of a size; the test is skipped where that is not allowed."""
    with tempfile.TemporaryDirectory(prefix="xrlab-disk-") as folder:
        try:
            mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder]
            subprocess.run(mount, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("a small disk can be mounted by the root of Linux alone")
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "-l", folder], check=True)


def fill(disk: Path) -> Path:
    """Fill a disk to the last byte; the file that does it, to be deleted."""
    path = disk / "filler"
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    return path


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Let nobody write to a folder; if that is a disk of `small_disk`, not even root."""
    if os.path.ismount(folder):
        remount = ["mount", "-o", "remount,ro", str(folder)]
        subprocess.run(remount, check=True)
        try:
            yield
        finally:
            subprocess.run([*remount[:2], "remount,rw", str(folder)], check=True)
        return
    inside = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
    for path in inside:
        path.chmod(0o555)
    try:
        if os.access(folder, os.W_OK):  # root, and whoever uses Windows
            pytest.skip("nothing is read-only for this user")
        yield
    finally:
        for path in inside:
            path.chmod(0o755)
