"""The command line: answers on standard output, the rest on standard error, exit codes."""

import csv
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from io import StringIO
from unittest.mock import Mock

import numpy as np
import pytest
import tifffile
from PIL import Image
from test_report import interpretation

import xrlab
from xrlab import cli
from xrlab.crystal.patterns import pattern
from xrlab.crystal.setting import Setting
from xrlab.interpretation.findings import Finding
from xrlab.io import read
from xrlab.io.fetch import simulated_measurement
from xrlab.io.section import Section
from xrlab.measurement.pipeline import RECOMMENDED

# xrlab.interpret is the function of that name.
MODULE = importlib.import_module("xrlab.interpretation.interpret")
COMMAND = [sys.executable, "-m", "xrlab"]


@pytest.fixture
def box(tmp_path):
    """A file with an image on the standard grid."""
    path = tmp_path / "box.tif"
    tifffile.imwrite(path, simulated_measurement(1).astype("f4"))
    return path


@pytest.fixture
def calls(monkeypatch):
    """Known answers in place of the network's; what was asked is kept."""
    asked = []

    def interpret(image, span=4, **options):
        image = image if isinstance(image, Section) else np.asarray(image)
        asked.append((image, span, options))
        odd = {"findings": (Finding("periodic structure", 0.1, 0.2, "≥", "odd"),)}
        return interpretation(**odd if options["seed"] == 13 else {})

    monkeypatch.setattr(MODULE, "interpret", interpret)
    return asked


def test_help_loads_next_to_nothing():
    """Neither NumPy nor Keras, so it is there at once; the exit codes are in it."""
    code = (
        "import sys; from xrlab.cli import main\n"
        "try: main(['--help'])\n"
        "finally: print(sorted({'numpy', 'keras', 'plotly', 'numba'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip().endswith("[]")
    assert "not explained by this model" in done.stdout
    assert done.returncode == 0


@pytest.mark.parametrize("command", ["interpret", "simulate", "dataset", "pipelines"])
def test_every_command_teaches(command, capsys):
    """Help ends with exit code 0 and has the exit codes; all but one have examples."""
    with pytest.raises(SystemExit) as end:
        cli.main([command, "--help"])
    assert end.value.code == 0
    words = capsys.readouterr().out
    assert "exit codes:" in words
    assert f"xrlab {command} " in words


def test_version(capsys):
    """The one of the package."""
    with pytest.raises(SystemExit) as end:
        cli.main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"xrlab {xrlab.__version__}\n"


def test_what_is_known_is_passed_on(box, calls, tmp_path):
    """The range of the background, and the image that holds the form factor."""
    factor = np.linspace(1, 2, 64 * 64).reshape(64, 64)
    np.save(tmp_path / "factor.npy", factor)
    known = ["--background", "0.1", "0.4", "--form-factor", str(tmp_path / "factor.npy")]
    assert cli.main(["interpret", str(box), "--span", "2", *known]) == 0
    ((_, _, asked),) = calls
    assert asked["background"] == [0.1, 0.4]
    np.testing.assert_array_equal(asked["form_factor"], factor)


def test_a_network_of_ones_own_is_named(box, calls):
    """Its path goes to `interpret` as it is."""
    assert cli.main(["interpret", str(box), "--model", "my_network"]) == 0
    ((_, _, asked),) = calls
    assert str(asked["model"]) == "my_network"


def test_quick_asks_for_no_fit(box, calls, capsys):
    """The fit is left out, and the table has no column for it."""
    assert cli.main(["interpret", str(box), "--span", "2", "--quick"]) == 0
    ((_, _, asked),) = calls
    assert asked["fit"] is False


def test_interpret_prints_a_table_and_writes_all_three(box, calls, tmp_path, capsys):
    """Numbers on standard output, progress on standard error, whole files."""
    out = [tmp_path / name for name in ("r.html", "r.json", "r.csv")]
    options = ["--report", str(out[0]), "--json", str(out[1]), "--csv", str(out[2])]
    assert cli.main(["interpret", str(box), "--span", "2", "--seed", "5", *options]) == 0
    said = capsys.readouterr()
    assert "c(0, 1)   +0.512 ± 0.010  +0.470 ± 0.020" in said.out
    assert "passed  symmetry: 1.2 (limit ≤ 2). It holds." in said.out
    assert "reading box.tif" in said.err
    assert "xrlab:" not in said.out
    ((image, span, asked),) = calls
    np.testing.assert_array_equal(image, tifffile.imread(box))
    unknown = {"background": None, "form_factor": None, "fit": True, "model": None}
    assert (span, asked) == (2, {"kind": "measured", "seed": 5} | unknown)
    document = json.loads(out[1].read_text())
    origin = document["provenance"]
    assert origin["command"].startswith("xrlab interpret ")
    assert (origin["file"], origin["seed"], origin["window"]) == ("box.tif", 5, None)
    rows = list(csv.DictReader(StringIO(out[2].read_text())))
    assert [float(row["value"]) for row in rows] == document["encoding"]
    assert "xrlab interpret" in out[0].read_text("utf-8")


def test_not_explained_is_exit_code_1(box, calls, capsys):
    """The answer comes all the same, and standard error says what is wrong with it."""
    assert cli.main(["interpret", str(box), "--seed", "13", "--json", "-"]) == 1
    said = capsys.readouterr()
    assert len(json.loads(said.out)["encoding"]) == 3
    assert "warning: not explained by this model: odd" in said.err


def test_a_file_is_decoded_once(calls, tmp_path, monkeypatch):
    """Whether its h and k are asked for or not."""
    image = np.random.default_rng(1).uniform(1, 2, (127, 127))
    file = tmp_path / "section.npy"
    np.save(file, image)
    monkeypatch.setattr(read, "_read", decode := Mock(wraps=read._read))
    place = ["--h", "-2", "2", "--k", "-2", "2", "--json", str(tmp_path / "r.json")]
    assert cli.main(["interpret", str(file), *place]) == 0
    decode.assert_called_once()


def test_pipelines_are_read_applied_and_kept(box, calls, tmp_path, capsys):
    """From a file or by a recommended name; the text goes into the report."""
    mine = tmp_path / "mine.yaml"
    mine.write_text("- normalise_mean\n- compress_peaks: {threshold: 2, gamma: 0.5}\n")
    arguments = ["interpret", str(box), "--csv", "-", "--json", str(tmp_path / "r.json")]
    assert cli.main([*arguments, "--pipeline", str(mine)]) == 0
    image = tifffile.imread(box).astype(float)
    image /= image.mean()
    pressed = np.where(image > 2, 2 + np.log(1 + np.maximum(image - 2, 0)), image)
    np.testing.assert_allclose(calls[0][0], pressed)
    text = json.loads((tmp_path / "r.json").read_text())["provenance"]["pipeline"]
    assert text == "- normalise_mean\n- compress_peaks: {threshold: 2, gamma: 0.5}"
    assert capsys.readouterr().out.startswith("component,value")
    assert cli.main(["pipelines"]) == 0
    listed = capsys.readouterr().out
    for name, pipeline in RECOMMENDED.items():
        assert f"# {name}\n{pipeline.to_yaml()}" in listed
    mine.write_text("- smooth_medium\n")
    assert cli.main([*arguments, "--pipeline", str(mine)]) == 2
    assert "did you mean smooth_median?" in capsys.readouterr().err


def test_windows_of_larger_sections(calls, tmp_path, capsys):
    """Cut where it was said, or nearest to the origin; the help for choosing names the options."""
    image = np.random.default_rng(1).uniform(1, 2, (161, 241))
    file = tmp_path / "section.npy"
    np.save(file, image)
    section = Section.from_range(image, (-2, 2), (-3, 3))
    place = ["--h", "-2", "2", "--k", "-3", "3"]
    assert cli.main(["interpret", str(file)]) == 2
    said = capsys.readouterr().err
    assert "161 x 241 pixels" in said
    assert "--window H0 K0" in said
    assert cli.main(["interpret", str(file), *place, "--window", "-2", "1"]) == 0
    np.testing.assert_array_equal(calls[0][0], section.window((-2, 0), (1, 3)).image)
    assert cli.main(["interpret", str(file), *place]) == 0
    np.testing.assert_array_equal(calls[1][0], section.window().image)
    assert "window: h 0 to 2, k 0 to 2, one of 15" in capsys.readouterr().err
    assert cli.main(["interpret", str(file), *place, "--join"]) == 0
    np.testing.assert_array_equal(calls[2][0].image, image)
    assert cli.main(["interpret", str(file), *place, "--join", "--window", "0", "0"]) == 2
    assert cli.main(["interpret", str(file), *place, "--window", "1", "1"]) == 2
    assert "reaches out of the section" in capsys.readouterr().err
    assert cli.main(["interpret", str(file), "--h", "-.5", ".5", "--k", "0", "1"]) == 2
    assert "holds no window" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["interpret", "{folder}/none.tif"], "no file"),
        (["interpret", "{folder}/torn.tif"], "torn.tif cannot be read"),
        (["interpret", "{box}", "--span", "5"], "--span is 2, 3 or 4; got 5"),
        (["interpret", "{box}", "--report", "{folder}/no/r.html"], "no folder"),
        (["interpret", "{box}", "--report", "{folder}/r.pdf"], "ends in .html; got 'r.pdf'"),
        (["interpret", "{box}", "--pipeline", "best"], "no pipeline or file named 'best'"),
        (["interpret", "{box}", "--json", "-", "--csv", "-"], "cannot both"),
        (["interpret", "{box}", "--h", "0", "2"], "both --h and --k"),
        (["simulate", "0.1", "0.2", "--out", "{folder}/a.npy"], "n^2 - 1 values"),
        (["simulate", "--out", "{folder}/a.npy"], "either the values"),
        (["simulate", "--preset", "plaid", "--out", "{folder}/a.npy"], "plaid"),
        (["simulate", "0.1", "0.2", "0.1", "--out", "{folder}/a.jpg"], "a.jpg"),
        (["dataset", "{folder}/a.zarr", "--images", "0"], "n_samples"),
        (["dataset", "{box}", "--images", "2"], "something else"),
    ],
)
def test_refusals_are_one_line_and_exit_code_2(arguments, words, box, tmp_path, calls, capsys):
    """No traceback, and nothing is written."""
    (tmp_path / "torn.tif").write_bytes(box.read_bytes()[:500])
    before = sorted(os.listdir(tmp_path))
    given = [each.format(folder=tmp_path, box=box) for each in arguments]
    assert cli.main(given) == 2
    said = capsys.readouterr()
    last = said.err.splitlines()[-1]
    assert last.startswith("xrlab: error: ")
    assert words in last
    assert "Traceback" not in said.err
    assert said.out == ""
    assert sorted(os.listdir(tmp_path)) == before


@pytest.mark.parametrize("arguments", [[], ["interpret"], ["read", "x"], ["simulate", "a", "--o"]])
def test_bad_usage_is_exit_code_2(arguments, capsys):
    """As argparse says it."""
    with pytest.raises(SystemExit) as end:
        cli.main(arguments)
    assert end.value.code == 2
    assert "usage:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (ZeroDivisionError("oops"), 70, "a fault in xrlab"),
        (OSError(28, "No space left on device"), 2, "No space left"),
        (ValueError("two\nlines \x1b[31m"), 2, "error: two lines ?[31m"),
    ],
)
def test_exit_codes_of_what_goes_wrong(error, code, words, box, monkeypatch, capsys):
    """An interrupt, a fault, a full disk; no control characters reach the terminal."""
    monkeypatch.setattr(MODULE, "interpret", Mock(side_effect=error))
    assert cli.main(["interpret", str(box)]) == code
    assert words in capsys.readouterr().err


def test_simulate_writes_what_it_says(tmp_path, capsys):
    """Image and sites are those of the package, in three formats."""
    given = ["0.6", "-0.6", "-0.36", "--seed", "4", "--size", "60", "--lots", "3"]
    sites = tmp_path / "sites.npy"
    for ending in ("npy", "tif", "png"):
        out = ["--out", str(tmp_path / f"a.{ending}"), "--lattice", str(sites)]
        assert cli.main(["simulate", *given, *out]) == 0
    lattice = xrlab.simulate(xrlab.Encoding.from_vector([0.6, -0.6, -0.36]), 60, seed=4)
    image = xrlab.diffraction_image(lattice, lots=3, seed=4)
    np.testing.assert_array_equal(np.load(sites), lattice.sites)
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), image)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), image)
    assert Image.open(tmp_path / "a.png").size == (512, 512)
    said = capsys.readouterr()
    assert f"c(0, 1)   +0.600  {lattice.realised.vector[0]:+.3f}" in said.out
    preset = ["simulate", "--preset", "stripes", "--span", "3", "--sampler", "gaussian"]
    assert cli.main([*preset, "--out", str(tmp_path / "b.npy")]) == 0
    assert f"c(2, 2)   {pattern('stripes', 3).vector[-1]:+.3f}" in capsys.readouterr().out


def test_impossible_encodings_are_warned_of(tmp_path, capsys):
    """And simulated as near as it goes."""
    impossible = ["0.9", "-0.9", "0.9"]
    assert cli.main(["simulate", *impossible, "--out", str(tmp_path / "a.npy")]) == 0
    assert "no lattice can have this encoding: |c(0, 1) - c(1, 0)|" in capsys.readouterr().err


def test_a_data_set_grows_by_the_same_command(tmp_path, capsys):
    """The second call adds what is missing; the samples are those of the package."""
    out = str(tmp_path / "a.zarr")
    given = ["--span", "2", "--size", "20", "--lot-size", "10", "--sampler", "gaussian"]
    for images in ("3", "5"):
        assert cli.main(["dataset", out, "--images", images, *given, "--workers", "1"]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[-1].startswith("5 images of span 2, 20/10/8 gaussian")
    assert "images to make" not in said.out
    setting = Setting(20, 10, 8, "gaussian")
    expected = xrlab.generate(2, 5, 0, setting, n_jobs=1, progress=False).images
    np.testing.assert_array_equal(xrlab.open_data_set(out)[:].images, expected)


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT to another process")
def test_an_interrupt_is_exit_code_130(tmp_path):
    """Control-C in the middle of a data set: one line, no traceback, and it says how to go on."""
    command = [*COMMAND, "dataset", str(tmp_path / "a.zarr"), "--images", "100000"]
    # A shell that starts tests in the background makes them deaf to the signal, and their children.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGINT, before)
    for line in process.stderr:
        if "images to make" in line:
            break
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    try:
        _, said = process.communicate(timeout=600)
    finally:
        process.kill()
    assert process.returncode == 130, said
    assert "the same command goes on from here" in said
    assert "Traceback" not in said


def test_a_measured_image_from_start_to_finish(box, tmp_path):
    """The whole command with the real network: a table, a page, nothing but words on the rest."""
    page = tmp_path / "r.html"
    command = [*COMMAND, "interpret", str(box), "--span", "2", "--report", str(page)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode in (0, 1)
    assert done.returncode == int("not explained by this model" in done.stderr)
    assert "c(1, 1)" in done.stdout
    assert all(line.startswith("xrlab: ") for line in done.stderr.splitlines())
    assert page.read_text("utf-8").endswith("</html>\n")
