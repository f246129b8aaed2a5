"""Build the JupyterLite site: notebooks 01 and 03 and the explorer, Python inside the browser.

``python tools/write_lite.py`` writes build/lite, a folder that any web server shows. The wheel of
xrlab and those that Pyodide has not got are in it; Pyodide itself, with NumPy and SciPy, comes from
its usual address when a reader opens a notebook, unless ``--pyodide`` names a copy to put in.

No compiler (numba) and no Keras run in a browser: simulations take longer there and networks do not
answer, so the wheel in the site has no weights, and does not ask for what it cannot have.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

import nbformat

ROOT = Path(__file__).parent.parent
LITE = ROOT / "lite"
OUT = ROOT / "build" / "lite"
NOTEBOOKS = ("01_from_encoding_to_diffraction", "03_simulation_noise")

# What the notebooks in the site need, of all that xrlab can use. The first come with Pyodide.
IN_PYODIDE = (
    "joblib",
    "lazy-loader",
    "numpy",
    "pillow",
    "pyyaml",
    "scipy",
    "threadpoolctl",
    "tqdm",
)
IN_SITE = ("anywidget", "ipywidgets", "plotly", "pooch")
# ... and what those need and Pyodide has not got. All are pure Python.
WITH_THEM = ("comm", "jupyterlab-widgets", "psygnal")

# JupyterLab's extensions that show them.
EXTENSIONS = ("@jupyter-widgets/jupyterlab-manager", "@jupyterlite/pyodide-kernel-extension")
EXTENSIONS += ("anywidget", "jupyterlab-plotly")

INSTALL = "%pip install -q xrlab"
NOTE = """\
> **In the browser.** Python runs on this page, not on a server. The first cell takes about a
> minute; simulations are slower than the times stated here{network}. Your changes are kept by this
> browser only: download what you want to keep."""
NO_NETWORK = ", samples are fewer, and the network does not answer: its figures are *nan*"

# Keras is not to be had: predictions become "no answer".
PREDICT = re.compile(r"backend\.run_model\(network, (\w+)\.images\)")
NO_ANSWER = r"np.full((len(\1.images), network**2 - 1), np.nan)"
NETWORK = re.compile(r'xrlab\.load_model\("cfs(\d)"\)')  # its span stands instead

# Sizes of notebook 03 of which a browser would make the reader wait: fewer samples there.
SIZES = ('"fast": (150, 20, 64)', '"fast": (24, 3, 16)')


def lite_wheel(wheel: Path, folder: Path) -> Path:
    """Copy a wheel of xrlab without weights, and with the dependencies of the site alone.

    Parameters
    ----------
    wheel : Path
    folder : Path
        Where the copy goes, under the same name.
    """
    wanted = {*IN_PYODIDE, *IN_SITE}
    copy, record = folder / wheel.name, []
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(copy, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            if name.startswith("xrlab/weights/"):
                continue
            content = old.read(name)
            if name.endswith(".dist-info/RECORD"):
                lines = "\n".join([*record, f"{name},,", ""])
                content = lines.encode()
            elif name.endswith(".dist-info/METADATA"):
                content = _only(content.decode(), wanted).encode()
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
            record.append(f"{name},sha256={digest.decode()},{len(content)}")
            new.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), content)
    return copy


def _only(metadata: str, wanted: set[str]) -> str:
    """Metadata that ask for the wanted packages alone."""
    head, *body = metadata.split("\n\n")
    required = re.compile(r"Requires-Dist: ([\w.-]+)")
    lines = [
        line
        for line in head.splitlines()
        if not line.startswith("Provides-Extra:")
        and (not (found := required.match(line)) or (found[1] in wanted and "extra ==" not in line))
    ]
    return "\n\n".join(["\n".join(lines), *body])


def for_browser(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Change a notebook of the course so that it runs in the site."""
    text = "\n".join(cell.source for cell in notebook.cells)
    note = NOTE.format(network=NO_NETWORK if PREDICT.search(text) else "")
    for cell in notebook.cells:
        if cell.cell_type == "code":
            source = NETWORK.sub(r"\1", cell.source)
            cell.source = PREDICT.sub(NO_ANSWER, source).replace(*SIZES)
            cell.outputs = []
    extra = [
        nbformat.v4.new_markdown_cell(note, id="in-the-browser"),
        nbformat.v4.new_code_cell(INSTALL, id="install-xrlab"),
    ]
    notebook.cells[1:1] = extra  # below the title
    return notebook


def pins(names: Iterable[str]) -> list[str]:
    """Versions of packages in the lock."""
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    found = dict(re.findall(r"^([\w.-]+)==([\w.+!-]+)", lock, re.MULTILINE))
    return [f"{name}=={found[name]}" for name in names]


def write_contents(folder: Path) -> None:
    """Write the notebooks of the site into a folder."""
    folder.mkdir(parents=True)
    for name in NOTEBOOKS:
        notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
        nbformat.write(for_browser(notebook), folder / f"{name}.ipynb")
    shutil.copy(LITE / "explorer.ipynb", folder)


def write_wheels(folder: Path) -> None:
    """Put the wheel of xrlab, and all that Pyodide has not got, into a folder."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as work:
        subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", work, ROOT], check=True)
        (wheel,) = Path(work).glob("xrlab-*.whl")
        lite_wheel(wheel, folder)
    download = ["download", "--no-deps", "--dest", folder, "--only-binary", ":all:"]
    download += ["--platform", "any", "--implementation", "py", "--abi", "none"]  # pure Python
    subprocess.run([*pip, *download, *pins((*IN_SITE, *WITH_THEM))], check=True)


def build(out: Path, pyodide: str | None = None) -> None:
    """Build the site into a folder, in place of what was there."""
    installed = Path(sys.prefix, "share", "jupyter", "labextensions")
    missing = [name for name in EXTENSIONS if not (installed / name).is_dir()]
    if missing:
        raise SystemExit(
            f"{', '.join(missing)} not in {installed}: make lite installs them, run this "
            f"with the Python of that environment"
        )
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        write_contents(folder / "files")
        write_wheels(folder / "pypi")
        shutil.copy(LITE / "jupyter-lite.json", folder)
        config = json.loads((LITE / "jupyter_lite_config.json").read_text(encoding="utf-8"))
        extensions = [str(installed / name) for name in EXTENSIONS]
        config["LiteBuildConfig"]["federated_extensions"] = extensions
        (folder / "jupyter_lite_config.json").write_text(json.dumps(config), encoding="utf-8")
        shutil.rmtree(out, ignore_errors=True)
        command = [sys.executable, "-m", "jupyterlite_core.app", "build", "--lite-dir", folder]
        command += ["--contents", folder / "files", "--output-dir", out.absolute()]
        command += ["--pyodide", pyodide] if pyodide else []
        subprocess.run(command, check=True, cwd=folder)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=OUT, help="folder (default: build/lite)")
    parser.add_argument("--pyodide", help="archive of a Pyodide distribution to put into the site")
    chosen = parser.parse_args()
    build(chosen.out, chosen.pyodide)
    size = sum(file.stat().st_size for file in chosen.out.rglob("*") if file.is_file()) / 1e6
    print(f"wrote {chosen.out}, {size:.0f} MB; to look: python -m http.server -d {chosen.out}")


if __name__ == "__main__":
    main()
