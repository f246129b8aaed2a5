"""tools/prepare.py, the last step of an installation."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest

import xrlab

SCRIPT = Path(__file__).parent.parent / "tools" / "prepare.py"


@pytest.fixture(scope="module")
def prepare():
    """Load the script as a module."""
    spec = importlib.util.spec_from_file_location("prepare", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_bytecode_is_written_where_python_would_not(tmp_path):
    """Also with PYTHONDONTWRITEBYTECODE; a template that is not Python stops nothing."""
    (tmp_path / "good.py").write_text("answer = 42\n")
    (tmp_path / "template.py").write_text("class {{ name }}:\n")
    code = (
        "import runpy, sys; script = runpy.run_path(sys.argv[1]); "
        "script['compile_bytecode']([sys.argv[2]])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, SCRIPT, tmp_path],
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == ""
    assert [each.name.split(".")[0] for each in tmp_path.glob("__pycache__/*.pyc")] == ["good"]


def test_kernels_are_left_in_the_cache(prepare):
    """Afterwards another process loads every kernel that the samplers use and compiles none."""
    prepare.compile_kernels()
    code = (
        "import runpy, sys; runpy.run_path(sys.argv[1])['compile_kernels'](); "
        "from xrlab.crystal import kernels; "
        "used = [each.stats for each in vars(kernels).values() if hasattr(each, 'stats')]; "
        "print(sum(sum(each.cache_hits.values()) for each in used), "
        "sum(sum(each.cache_misses.values()) for each in used))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, SCRIPT], capture_output=True, text=True, check=True
    )
    loaded, compiled = map(int, done.stdout.split())
    assert loaded >= 5
    assert compiled == 0


def test_no_cache_is_no_failure(prepare, monkeypatch, capsys):
    """Set-up goes on where kernels cannot be stored, and says when they will be compiled."""
    monkeypatch.setattr(prepare, "installed", list)
    failing = Mock(side_effect=RuntimeError("no locator available"))
    monkeypatch.setattr(xrlab, "simulate", failing)
    prepare.main()
    assert "compiled at first use: no locator available" in capsys.readouterr().out
