"""The command line: ``xrlab interpret``, ``simulate``, ``dataset``, ``pipelines``.

Answers go to standard output, progress and warnings to standard error. Each command imports what it
needs when it runs, so that ``--help`` appears at once.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import shlex
import sys
import traceback
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from xrlab import __version__
from xrlab.cli_help import DESCRIPTION, EXAMPLES, EXIT_CODES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from xrlab.crystal.arrays import Image
    from xrlab.interpretation.result import Interpretation
    from xrlab.io.section import Section
    from xrlab.measurement.pipeline import Pipeline


FINE, NOT_EXPLAINED, REFUSED, BUG, INTERRUPTED = 0, 1, 2, 70, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the command line if not given.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # cp1252, for instance, has no Greek letters
            stream.reconfigure(errors="backslashreplace")
    given = list(sys.argv[1:] if arguments is None else arguments)
    chosen = _parser().parse_args(given)
    chosen.command = shlex.join(["xrlab", *given])
    try:
        code: int = chosen.run(chosen)
        sys.stdout.flush()
    except KeyboardInterrupt:
        _say("interrupted")
        return INTERRUPTED
    except BrokenPipeError:  # the reader of a pipe has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return REFUSED
    except (ValueError, OSError, MemoryError) as error:
        _say(f"error: {str(error) or type(error).__name__}")
        return REFUSED
    except Exception:
        traceback.print_exc()
        _say("this is a fault in xrlab, not in your input")
        return BUG
    return code


def run() -> NoReturn:
    """Run the command line and end the process.

    After an interruption threads may still be in compiled code, which Python's own end would abort.
    """
    code = main()
    if code == INTERRUPTED:
        sys.stdout.flush()
        os._exit(code)
    sys.exit(code)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="xrlab", description=DESCRIPTION, epilog=EXAMPLES[""] + "\n" + EXIT_CODES)
    parser.add_argument("--version", action="version", version=f"xrlab {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(name: str, words: str) -> argparse.ArgumentParser:
        epilog = EXAMPLES[name] + "\n" + EXIT_CODES
        return commands.add_parser(
            name, help=words, description=f"{words.capitalize()}.", epilog=epilog
        )

    one = command("interpret", "read the correlations off an image, with errors")
    one.add_argument("file", type=Path, help="TIFF, NPY, HDF5, CBF, EDF, PGM, text, ...")
    one.add_argument("--span", type=int, default=4, help="2, 3 or 4: i and j below it; default: 4")
    kinds = ("measured", "simulated")
    one.add_argument("--kind", choices=kinds, default=kinds[0], help="default: measured")
    one.add_argument(
        "--window",
        nargs=2,
        type=int,
        metavar=("H0", "K0"),
        help="read the 2 x 2 reciprocal cells from here on; whole numbers",
    )
    one.add_argument(
        "--join",
        action="store_true",
        help="read every window of 2 x 2 cells of a larger section and join the answers",
    )
    one.add_argument(
        "--find-cells",
        action="store_true",
        help="find the origin and the size of a cell in an image that does not say its h and k",
    )
    for axis, line in (("h", "row"), ("k", "column")):
        one.add_argument(
            f"--{axis}",
            nargs=2,
            type=float,
            metavar=("FIRST", "LAST"),
            help=f"{axis} of the first and last {line}, if the file does not say",
        )
    one.add_argument("--dataset", metavar="PATH", help="which data set, frame or plane (l=0.5)")
    one.add_argument("--insist", action="store_true", help="read a file whose checksum is wrong")
    one.add_argument(
        "--pipeline",
        metavar="FILE",
        help="corrections first: a YAML file, or a name that xrlab pipelines lists",
    )
    one.add_argument(
        "--background",
        nargs=2,
        type=float,
        metavar=("LOW", "HIGH"),
        help="lowest and highest share of the intensity between Bragg peaks that is background; "
        "0 0 if it was subtracted; default: unknown",
    )
    one.add_argument(
        "--form-factor",
        type=Path,
        metavar="FILE",
        help="the known squared form-factor difference at the pixels, an image of the same shape",
    )
    one.add_argument(
        "--quick",
        action="store_true",
        help="the network's answer alone: no physical fit, no test of the model, no simulation",
    )
    one.add_argument(
        "--model",
        type=Path,
        metavar="PATH",
        help="a network of one's own, its ONNX file or folder (python -m xrlab.training.own)",
    )
    one.add_argument("--report", type=Path, metavar="OUT.html", help="one page to look at")
    one.add_argument("--json", metavar="OUT", help="all numbers; - for standard output")
    one.add_argument("--csv", metavar="OUT", help="one row for each value; - likewise")
    one.add_argument("--seed", type=_whole, default=0, help="of the re-simulated lattice")
    one.set_defaults(run=_interpret)

    two = command("simulate", "make a lattice with given correlations, and its image")
    two.add_argument("values", type=float, nargs="*", metavar="C", help="c(0, 1), c(0, 2), ...")
    two.add_argument("--preset", help="a pattern of notebook 1: clusters, ring, ...")
    two.add_argument("--span", type=int, default=2, help="of a preset; default: 2")
    two.add_argument("--out", type=Path, required=True, help=".npy, .tif, or .png to look at")
    two.add_argument("--lattice", type=Path, metavar="OUT.npy", help="keep the sites, +1 and -1")
    _add_setting(two)
    two.set_defaults(run=_simulate)

    three = command("dataset", "simulate many images to disk; resumes where it was interrupted")
    three.add_argument("out", type=Path, help="a folder, by custom .zarr")
    three.add_argument("--images", type=int, required=True, help="how many in all")
    three.add_argument("--span", type=int, default=4, help="default: 4")
    targets = ("realisable", "uniform")
    three.add_argument("--targets", choices=targets, default=targets[0], help="default: realisable")
    three.add_argument("--workers", type=int, default=-1, help="default: one per core")
    _add_setting(three)
    three.set_defaults(run=_dataset)

    four = command("pipelines", "list recommended pipelines of corrections, as YAML")
    four.set_defaults(run=_pipelines)
    return parser


class _Parser(argparse.ArgumentParser):
    """Keeps the lines of descriptions and examples as they are."""

    def __init__(self, **options: object) -> None:
        options["formatter_class"] = argparse.RawDescriptionHelpFormatter
        super().__init__(**options)  # type: ignore[arg-type]


def _add_setting(parser: argparse.ArgumentParser) -> None:
    samplers = ("monte_carlo", "gaussian", "growth")
    parser.add_argument("--sampler", choices=samplers, default=samplers[0])
    parser.add_argument("--size", type=int, default=50, help="sites along each axis; default: 50")
    parser.add_argument("--lot-size", type=int, default=25, help="of a coherent part; default: 25")
    parser.add_argument("--lots", type=int, default=8, help="more: less grain; default: 8")
    parser.add_argument("--seed", type=_whole, default=0, help="default: 0")


def _interpret(chosen: argparse.Namespace) -> int:
    _refuse_unwritable([chosen.report, chosen.json, chosen.csv])
    if chosen.report and chosen.report.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"a report is a file that ends in .html; got {chosen.report.name!r}")
    if chosen.json == chosen.csv == "-":
        raise ValueError("--json and --csv cannot both go to standard output")
    if chosen.span not in (2, 3, 4):
        raise ValueError(f"--span is 2, 3 or 4; got {chosen.span}")
    from xrlab.io.section import Section

    pipeline = _read_pipeline(chosen.pipeline)
    _say(f"reading {chosen.file.name}")
    image, window = _read(chosen)
    if pipeline is not None and not isinstance(image, Section):
        _say(f"correcting: {pipeline}")
        image = pipeline(image)
    known = None if chosen.form_factor is None else _read_factor(chosen.form_factor)
    work = "network" if chosen.quick else "network, lattice and image from its answer"
    _say(f"interpreting: {work} (some seconds)")
    from xrlab.interpretation import report
    from xrlab.interpretation.interpret import interpret
    from xrlab.interpretation.provenance import provenance
    from xrlab.io import files

    result = interpret(
        image,
        chosen.span,
        kind=chosen.kind,
        background=chosen.background,
        form_factor=known,
        fit=not chosen.quick,
        model=chosen.model,
        seed=chosen.seed,
    )
    for warning in result.warnings:
        _say(f"warning: {warning}")
    origin = provenance(chosen.file, pipeline, chosen.seed, chosen.command) | {"window": window}
    if chosen.report:
        report.save_report(result, chosen.report, origin)
    if chosen.json and chosen.json != "-":
        files.write(chosen.json, report.to_json(result, origin))
    if chosen.csv and chosen.csv != "-":
        files.write(chosen.csv, report.to_csv(result))
    if chosen.json == "-":
        sys.stdout.write(report.to_json(result, origin))
    elif chosen.csv == "-":
        sys.stdout.write(report.to_csv(result))
    else:
        print(_table(result))
        for path in filter(None, (chosen.report, chosen.json, chosen.csv)):
            _say(f"wrote {path}")
    return FINE if result.explained else NOT_EXPLAINED


def _table(result: Interpretation) -> str:
    """Network, fit and inversion side by side, a line for each value."""
    from xrlab.interpretation.report import answer

    lines = [answer(result), ""]
    fit = result.fit is not None
    lines.append(f"{'':8}  network         " + "fit             " * fit + "ΔPDF")
    for row in result.evidence.comparisons:
        cells = [f"{row.value:+.3f} ± {row.error:.3f}"]
        if row.fit_value is not None:
            cells.append(f"{row.fit_value:+.3f} ± {row.fit_error:.3f}")
        cells.append("" if row.delta_pdf is None else f"{row.delta_pdf:+.3f}")
        lines.append(f"{row.name:8}  " + "  ".join(cells))
    for finding in result.findings:
        passed = "passed" if finding.ok else "FAILED"
        lines.append(
            f"{passed}  {finding.key}: {finding.value:.3g} "
            f"(limit {finding.direction} {finding.limit:.3g}). {finding.sentence}"
        )
    if result.findings:
        lines.insert(-len(result.findings), "")
    return "\n".join(lines)


def _read(chosen: argparse.Namespace) -> tuple[Image | Section, str | None]:
    """Read the image; if its h and k are known, a window of it, and which one; or all of it."""
    from xrlab.io.read import read_stored
    from xrlab.io.section import on_axes

    dataset = chosen.dataset
    if dataset is not None and dataset.isdecimal():
        dataset = int(dataset)
    if (chosen.h is None) != (chosen.k is None):
        raise ValueError("give both --h and --k, or neither")
    image, axes = read_stored(chosen.file, dataset=dataset, insist=chosen.insist)
    section = on_axes(image, axes, chosen.h, chosen.k)
    if section is None and chosen.find_cells:
        from xrlab.interpretation.find_cells import find_cells

        section = find_cells(image)
        size = [(len(q) - 1) / (q[-1] - q[0]) for q in (section.h, section.k)]
        _say(
            f"a cell has {size[0]:.2f} x {size[1]:.2f} pixels, the origin is at row "
            f"{-section.h[0] * size[0]:.1f}, column {-section.k[0] * size[1]:.1f}"
        )
    if section is None:
        if image.shape == (64, 64) and chosen.window is None:
            return image, None
        rows, columns = image.shape
        raise ValueError(
            f"{chosen.file.name} has {rows} x {columns} pixels and does not say its h and k. Give "
            f"those of its first and last row and column, --h FIRST LAST --k FIRST LAST, and the "
            f"first h and k of the part to read, --window H0 K0"
        )
    if chosen.join:
        if chosen.window or chosen.pipeline:
            raise ValueError("--join reads all windows as they are: without --window, --pipeline")
        _say(f"joining {len(section.corners())} windows")
        return section, "all, joined"
    corners = section.corners()
    if chosen.window is None and not corners:
        raise ValueError(
            f"{chosen.file.name}, h from {section.h[0]:.3g} to {section.h[-1]:.3g} and k from "
            f"{section.k[0]:.3g} to {section.k[-1]:.3g}, holds no window of 2 x 2 reciprocal cells "
            f"from whole numbers on of which half was measured"
        )
    # By default the window nearest to the origin, of positive h and k if possible.
    h, k = chosen.window or min(corners, key=lambda c: (abs(c[0]) + abs(c[1]), c[0] < 0, c[1] < 0))
    window = f"h {h} to {h + 2}, k {k} to {k + 2}"
    others = "" if chosen.window else f", one of {len(corners)}; choose with --window H0 K0"
    _say(f"window: {window}{others}")
    return section.window((h, h + 2), (k, k + 2)).image, window


def _read_pipeline(name: str | None) -> Pipeline | None:
    if name is None:
        return None
    from xrlab.measurement.pipeline import RECOMMENDED, Pipeline

    if name in RECOMMENDED:
        return RECOMMENDED[name]
    if not Path(name).is_file():
        known = f"; there is {', '.join(RECOMMENDED)}" if RECOMMENDED else ""
        raise FileNotFoundError(f"there is no pipeline or file named {name!r}{known}")
    return Pipeline.from_yaml(Path(name))


def _read_factor(path: Path) -> NDArray[np.float64]:
    from xrlab.io.read import read_image

    return read_image(path)


def _simulate(chosen: argparse.Namespace) -> int:
    from xrlab.io.files import WRITERS, npy, write

    _refuse_unwritable([chosen.out, chosen.lattice])
    if chosen.out.suffix.lower() not in WRITERS:
        raise ValueError(f"--out ends in {', '.join(WRITERS)}; got {chosen.out.name!r}")
    if bool(chosen.values) == bool(chosen.preset):
        raise ValueError("give either the values of c(i, j) or a --preset")
    from xrlab import Encoding, diffraction_image, simulate
    from xrlab.crystal.encoding import component_names

    if chosen.preset:
        from xrlab.crystal.patterns import pattern

        target = pattern(chosen.preset, chosen.span)
    else:
        target = Encoding.from_vector(chosen.values)
    for violation in target.violations():
        _say(f"warning: no lattice can have this encoding: {violation}")
    _say(f"simulating {chosen.size} x {chosen.size} sites")
    lattice = simulate(target, chosen.size, chosen.sampler, chosen.seed)
    image = diffraction_image(lattice, lot_size=chosen.lot_size, lots=chosen.lots, seed=chosen.seed)
    write(chosen.out, WRITERS[chosen.out.suffix.lower()](image))
    if chosen.lattice:
        write(chosen.lattice, npy(lattice.sites))
    print(f"{'':8}  target  realised")
    names = component_names(target.span)
    for name, value, realised in zip(names, target.vector, lattice.realised.vector, strict=True):
        print(f"{name:8}  {value:+.3f}  {realised:+.3f}")
    return FINE


def _dataset(chosen: argparse.Namespace) -> int:
    from xrlab import generate_to
    from xrlab.crystal.setting import Setting

    setting = Setting(
        size=chosen.size,
        lot_size=chosen.lot_size,
        lots=chosen.lots,
        sampler=chosen.sampler,
        targets=chosen.targets,
    )
    try:
        with contextlib.redirect_stdout(sys.stderr):  # the estimate is progress, too
            data = generate_to(
                chosen.out, chosen.span, chosen.images, chosen.seed, setting, n_jobs=chosen.workers
            )
    except KeyboardInterrupt:
        _say("stopped; the same command goes on from here")
        raise
    print(f"{len(data)} images of span {data.span}, {setting}, in {_printable(str(chosen.out))}")
    return FINE


def _pipelines(chosen: argparse.Namespace) -> int:
    from xrlab.measurement.pipeline import RECOMMENDED

    for name, pipeline in RECOMMENDED.items():
        print(f"# {name}\n{pipeline.to_yaml().rstrip()}\n")
    if not RECOMMENDED:
        _say("there is no recommended pipeline: the network for measured images needs none")
    return FINE


def _refuse_unwritable(paths: Iterable[Path | str | None]) -> None:
    """Raise OSError for a path that cannot be written, before the work and not after it."""
    for path in paths:
        if path is None or path == "-":
            continue
        folder = Path(path).parent
        if not folder.is_dir():
            raise FileNotFoundError(f"there is no folder {folder} to write {Path(path).name} into")
        if Path(path).is_dir():
            raise IsADirectoryError(f"{path} is a folder; give the name of a file")
        if not os.access(folder, os.W_OK):
            raise PermissionError(f"the folder {folder} cannot be written to")


def _whole(text: str) -> int:
    """Read a seed: a whole number from 0 up."""
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"a seed is a whole number from 0 up; got {number}")
    return number


def _say(message: str) -> None:
    print(f"xrlab: {_printable(message)}", file=sys.stderr, flush=True)


def _printable(text: str) -> str:
    """Return a message on one line, without control characters from file names or libraries."""
    return "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))
