"""The findings: what is measured beside what was asked for, time apart."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from measure import WORKERS, Finding, duration

import xrlab
from xrlab.crystal.samplers import WARM_SAVES, default_cycles
from xrlab.crystal.setting import Setting
from xrlab.datasets.parallel import in_parallel
from xrlab.inference.metrics import r2_score


def swaps() -> Iterator[Finding]:
    """Count the swaps that a warm start saves."""
    cold = default_cycles(4, 50)
    ratio = cold / (cold // WARM_SAVES)
    yield Finding(
        "swaps of a cold Monte Carlo over those of a warm one, span 4, at equal statistics "
        "(`tests/test_samplers.py`)",
        "≥ 8",
        f"{cold} / {cold // WARM_SAVES} cycles = {ratio:.2f}",
        ratio >= 8,
    )


def sampler(number: int, size: int) -> Iterator[Finding]:
    """Realised encodings of the Gaussian sampler against their targets."""
    deviations = _deviations(number, size)
    what = f"realised against target, {number} realisable encodings, Gaussian {size} × {size}"
    error = np.abs(deviations).mean()
    yield Finding(f"{what}: mean absolute error", "≤ 0.01", f"{error:.4f}", error <= 0.01)
    bias, in_errors = _bias(deviations)
    yield Finding(
        f"{what}: largest mean deviation of the 15 values",
        "≤ 2 standard errors",
        f"{in_errors.max():.2f} ({bias[in_errors.argmax()]:.1e}); root mean square of the 15: "
        f"{np.sqrt(np.mean(in_errors**2)):.2f}, where chance alone gives 1; chance alone misses "
        f"this bar for {1 - 0.9545**15:.0%} of all seeds",
        in_errors.max() <= 2,
    )
    # Four times the encodings, and the bound that chance alone keeps in 95 % (15 values).
    more = 4 * number
    bias, in_errors = _bias(_deviations(more, size))
    yield Finding(
        f"the same of {more} encodings",
        "≤ 2.94 standard errors, 95 % of unbiased samplers",
        f"{in_errors.max():.2f} ({bias[in_errors.argmax()]:.1e}); root mean square of the 15: "
        f"{np.sqrt(np.mean(in_errors**2)):.2f}",
        in_errors.max() <= 2.94,
    )


def _deviations(number: int, size: int) -> np.ndarray:
    """Realised less target, shape (number, 15)."""
    rng = np.random.default_rng(0)
    targets = [xrlab.Encoding.random(4, rng, "realisable") for _ in range(number)]

    def deviation(seed: int) -> np.ndarray:
        lattice = xrlab.simulate(targets[seed], size, "gaussian", seed)
        return lattice.realised.vector - targets[seed].vector

    return np.array(list(in_parallel(deviation, range(number), WORKERS)))


def _bias(deviations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Size of the mean deviation of each value, and the same in standard errors."""
    bias = np.abs(deviations.mean(axis=0))
    return bias, bias / (deviations.std(axis=0, ddof=1) / np.sqrt(len(deviations)))


def delta_pdf(number: int, seeds: int) -> Iterator[Finding]:
    """R^2 of the baseline on simulated images."""
    for span, setting, asked in (
        (2, Setting(), 0.998),
        (3, Setting(), 0.990),
        (4, Setting(), 0.979),
        (4, Setting(96, 48, 64), 0.999),
    ):
        scores = []
        for seed in range(seeds):
            data = xrlab.generate(span, number, seed, setting, n_jobs=WORKERS, progress=False)
            read = [
                xrlab.delta_pdf(image, span, setting.grid, setting.lot_size).vector
                for image in data.images
            ]
            scores.append(r2_score(data.encodings, read))
        others = ", ".join(f"{score:.4f}" for score in scores[1:])
        yield Finding(
            f"ΔPDF of {number} images {setting.numbers}, span {span}: R²",
            f"≥ {asked:.3f}",
            f"{scores[0]:.4f} (seed 0)"
            + (f"; {others} (seeds 1 to {seeds - 1})" if others else ""),
            scores[0] >= asked,
        )


def _memory(*arguments: object) -> dict[str, float]:
    """Run memory.py, in a process of its own."""
    script = Path(__file__).parent / "memory.py"
    line = subprocess.check_output([sys.executable, script, *map(str, arguments)])
    return dict(json.loads(line))


def memory(samples: int) -> Iterator[Finding]:
    """Memory while a data set is made on disk."""
    found = _memory(samples)
    yield Finding(
        f"memory while `generate_to` makes {samples} images 50/25/8, span 4, Gaussian, two "
        f"workers in one process ({duration(found['seconds'])})",
        "≤ 500 MB per worker, flat",
        f"{found['start']:.0f} MB before, {found['tenth']:.0f} after a tenth, {found['end']:.0f} "
        f"at the end, {found['highest']:.0f} at most, of the whole process",
        found["highest"] <= 500 and found["end"] <= 1.1 * found["tenth"],
    )


def training_memory(samples: int) -> Iterator[Finding]:
    """Memory while the small CNN is trained."""
    found = _memory(samples, "--train")
    yield Finding(
        f"memory while the small CNN is trained on {samples} images of span 4 and its last layer "
        f"refitted ({duration(found['seconds'])}, their simulation included)",
        "≤ 1.2 GB",
        f"{found['highest'] / 1000:.2f} GB at most, {found['end'] / 1000:.2f} at the end",
        found["highest"] <= 1200,
    )
