"""A normalizing flow of BayesFlow beside the posterior of the network for measured images.

Does the form of the posterior, Student's t, cost anything? The flow gets all that the network knows
of an image, the activations before its last layers included, and may give any density. It is
trained on new images of the training rooms, stopped and calibrated on the second set, and scored on
the trials of `xrlab.trials.crystals`. BayesFlow (Radev et al., JOSS 8, 5702, 2023) is no part of
xrlab: ``pip install bayesflow``.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy import special

from xrlab.crystal.arrays import Floats, Reals
from xrlab.networks.backend import import_keras, load_model
from xrlab.networks.measured import EXCHANGED, answer_all, calibrated, sizes, with_mask
from xrlab.networks.measured_cnn import answering
from xrlab.networks.shipped import model_card
from xrlab.training.calibration import FREEDOMS, GROUPS
from xrlab.training.last_layers import before_last, inputs
from xrlab.training.measured_images import clean_images, measured_set
from xrlab.training.train_measured import CALIBRATION, GRAINY, VALIDATION, batches, known_shares
from xrlab.trials.crystals import SAID, TESTS, KnownTrial, calibration_crystals, crystal_trial
from xrlab.trials.trial import NAMES, Trial, trials

N = 15  # correlations

# Images of one block, of which a training takes some: memory is no matter then.
BLOCK = 4096

# Factors of the errors that the calibration may choose from.
FACTORS = np.exp(np.linspace(np.log(0.6), np.log(2.5), 30))

# The images of ``python -m xrlab.trials.crystals``: from their number and a seed.
TRIALS: dict[str, Callable[[int, int], Trial]] = {
    **{name: partial(crystal_trial, name) for name in TESTS},
    **{name: lambda n, seed, name=name: next(trials(n, seed, [name])) for name in NAMES},
}

# Samples of an image for the intervals.
SAMPLES = 1000

LEVELS = (50, 90, 99)


@dataclass(frozen=True, eq=False)
class Summary:
    """What the network knows of n images, and their true correlations.

    Parameters
    ----------
    vectors, mean : arrays, shape (n, 15)
    covariance : array, shape (n, 15, 15)
        Of the posterior that xrlab gives.
    size : array, shape (n,)
        By which the calibration groups images: `xrlab.networks.measured.sizes`.
    hidden : array, shape (n, 2, 192)
        Activations before the last layers, of the image and of that with h and k exchanged.
    facts : array, shape (n, 4)
        What was said of the background, and whether the form factor was known.
    """

    vectors: Reals
    mean: Reals
    covariance: Reals
    size: Reals
    hidden: Reals
    facts: Reals

    def exchanged(self) -> Summary:
        """Exchange h and k."""
        return Summary(
            self.vectors[:, EXCHANGED],
            self.mean[:, EXCHANGED],
            self.covariance[:, EXCHANGED][:, :, EXCHANGED],
            self.size,
            self.hidden[:, ::-1],
            self.facts,
        )

    def conditions(self) -> Reals:
        """Return what the flow is told of each image, shape (n, 523)."""
        error = np.sqrt(np.diagonal(self.covariance, axis1=1, axis2=2))
        correlation = self.covariance / (error[:, :, None] * error[:, None, :])
        below = correlation[:, *np.tril_indices(N, -1)]
        hidden = self.hidden.reshape(len(self.hidden), -1)
        parts = [self.mean, np.log(error), below, hidden, self.facts]
        return np.concatenate(parts, axis=1).astype(np.float32)


def joined(parts: list[Summary]) -> Summary:
    """Join summaries of different images."""
    return Summary(
        **{name: np.concatenate([vars(p)[name] for p in parts]) for name in vars(parts[0])}
    )


def whitened(summary: Summary) -> tuple[Floats, Floats]:
    """Errors of the mean in units of the posterior, and ln of the volume of these units.

    With covariance L L^T the first is z = L^-1 (vector - mean), shape (n, 15), and a density of z
    divided by det L, shape (n,), is one of the correlations.
    """
    factor = np.linalg.cholesky(summary.covariance.astype(np.float64))
    deviation = np.asarray(summary.vectors, np.float64) - summary.mean
    z = np.linalg.solve(factor, deviation[..., None])[..., 0]
    return z, np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(axis=1)


def student(z: Reals, freedom: float) -> Floats:
    """Logarithm of Student's t density of unit covariance, shape (n,)."""
    squares = (np.asarray(z, np.float64) ** 2).sum(axis=1) / (freedom - 2)
    half = (freedom + N) / 2
    constant = special.gammaln(half) - special.gammaln(freedom / 2)
    return constant - N / 2 * np.log(np.pi * (freedom - 2)) - half * np.log1p(squares)


@dataclass(frozen=True, eq=False)
class Scaled:
    """A density of z made wider or narrower by a factor that follows the size of the errors."""

    density: Callable[[Reals, Summary], Floats]
    at: Reals
    factor: Reals

    def factors(self, summary: Summary) -> Floats:
        """Return the factor of each image, shape (n,)."""
        return np.interp(summary.size, self.at, self.factor)

    def log_scores(self, summary: Summary) -> Floats:
        """Logarithm of the density of the true vectors, in nats for a correlation, shape (n,)."""
        z, volume = whitened(summary)
        factor = self.factors(summary)
        made = self.density(z / factor[:, None], summary) - N * np.log(factor) - volume
        return made / N


def scaled(density: Callable[[Reals, Summary], Floats], summary: Summary) -> Scaled:
    """Choose in each group of images, by their size, the factor of the highest log score."""
    z, _ = whitened(summary)
    made = np.array([density(z / f, summary) - N * np.log(f) for f in FACTORS])
    groups = np.array_split(np.argsort(summary.size), GROUPS)
    at = [float(np.median(summary.size[group])) for group in groups]
    best = [float(FACTORS[made[:, group].mean(axis=1).argmax()]) for group in groups]
    return Scaled(density, np.array(at), np.array(best))


class Network:
    """The shipped network with the layer before its last ones."""

    def __init__(self) -> None:
        core = load_model("measured")
        self.graph = answering(core)
        self.before = before_last(core)
        self.calibration = model_card("measured")["calibration"]

    def summary(
        self,
        images: Reals,
        vectors: Reals,
        shares: Reals | None = None,
        factors: Reals | None = None,
    ) -> Summary:
        """Read images; what is unknown is NaN, as in `xrlab.networks.measured.answer_all`."""
        shares = np.full((len(images), 2), np.nan) if shares is None else shares
        factors = np.full(images.shape, np.nan) if factors is None else factors
        mean, scale, _ = answer_all(self.graph, images, shares, factors)
        covariance, _ = calibrated(scale, self.calibration)
        said = ~np.isnan(shares[:, :1])
        background = np.concatenate([said, np.where(said, shares, [[0, 1]])], axis=1)
        pixels = with_mask(images, np.nan_to_num(factors))
        hidden = inputs(self.before, pixels, background.astype("f4"))["hidden"]
        known = ~np.isnan(factors[:, :1, 0])
        return Summary(
            vectors=vectors,
            mean=np.clip(mean, -1, 1),
            covariance=covariance,
            size=sizes(scale),
            hidden=hidden,
            facts=np.concatenate([background, known], axis=1),
        )

    def trial(self, trial: Trial) -> Summary:
        """Read the images of a trial, with what the user says there."""
        said = SAID.get(trial.name)
        shares = None if said is None else np.tile(said, (len(trial.images), 1))
        return self.summary(trial.images, trial.encodings, shares)

    def known(self, trial: KnownTrial, seed: int) -> list[Summary]:
        """Read crystals twice, without and with what is known, as the calibration does."""
        rng = np.random.default_rng(seed)
        chosen = rng.random((len(trial.images), 1, 1)) < 0.5
        known = known_shares(trial.shares, rng).astype(float)
        shares = np.where(known[:, :1] == 1, known[:, 1:], np.nan)
        factors = np.where(chosen, trial.form_factors, np.nan)
        return [
            self.summary(trial.images, trial.encodings),
            self.summary(trial.images, trial.encodings, shares, factors),
        ]

    def training(self, n_images: int, n_lattices: int, seed: int) -> Summary:
        """Make and read training images, with what is known of them as in the training."""
        lattices = clean_images(n_lattices, seed, n_jobs=1, progress=False)
        parts = []
        for block in range(n_images // BLOCK):
            made = measured_set(BLOCK, 1000 * seed + block, lattices)
            for x, y in (pair for pair in batches(made, 1000 * seed + block)):
                value, mask, factor = np.moveaxis(x["pixels"], -1, 0)
                image = np.where(mask > 0, value, np.nan)
                known = factor.any(axis=(1, 2), keepdims=True)
                shares = np.where(x["background"][:, :1] > 0, x["background"][:, 1:], np.nan)
                factors = np.where(known, factor, np.nan)
                parts.append(self.summary(image, y["answer"], shares, factors))
            print(f"{(block + 1) * BLOCK} training images read", flush=True)
        return joined(parts)


def stored(path: Path | None, make: Callable[[], Summary]) -> Summary:
    """Read a summary from a file, or make it and keep it there."""
    if path is not None and path.exists():
        with np.load(path) as file:
            return Summary(**file)
    summary = make()
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, **{name: x.astype(np.float32) for name, x in vars(summary).items()})
    return summary


class Flow:
    """A coupling flow of BayesFlow over z, given the `Summary.conditions`.

    Its layers are affine: with splines the loss became NaN, z having tails that are far too long.

    Parameters
    ----------
    base : str
        What it starts from: "normal", or "student_t" with the degrees of freedom of xrlab.
    """

    def __init__(self, base: str, seed: int) -> None:
        keras = import_keras()
        try:
            import bayesflow
        except ModuleNotFoundError as error:
            raise SystemExit(f"{error.name} is missing: pip install bayesflow") from error
        keras.utils.set_random_seed(seed)
        self.bayesflow = bayesflow
        freedom = model_card("measured")["calibration"]["freedom"]
        student_t = bayesflow.distributions.DiagonalStudentT(df=freedom)
        self.approximator = bayesflow.ContinuousApproximator(
            inference_network=bayesflow.networks.CouplingFlow(
                base_distribution=student_t if base == "student_t" else base,
                subnet_kwargs={"widths": (128, 128)},
            ),
            standardize="inference_conditions",
        )

    def fit(self, training: Summary, stopping: Summary, epochs: int) -> float:
        """Train until the loss on the stopping set rises; return the lowest, in nats."""
        keras = import_keras()

        def data(summary: Summary) -> Any:
            z, _ = whitened(summary)
            pair = {"inference_variables": z.astype("f4")}
            pair["inference_conditions"] = summary.conditions()
            return self.bayesflow.OfflineDataset(pair, batch_size=256, adapter=None)

        shown = data(joined([training, training.exchanged()]))
        rate = keras.optimizers.schedules.CosineDecay(1e-3, epochs * len(shown))
        self.approximator.compile(keras.optimizers.AdamW(rate, weight_decay=1e-3, clipnorm=1.0))
        stop = keras.callbacks.EarlyStopping(patience=4, restore_best_weights=True)
        log = self.approximator.fit(
            dataset=shown,
            validation_data=data(stopping),
            epochs=epochs,
            callbacks=[stop],
            verbose=2,
        )
        return float(min(log.history["val_loss"]))

    def density(self, z: Reals, summary: Summary) -> Floats:
        """Logarithm of the density of z, shape (n,)."""
        given = {"inference_variables": np.asarray(z, "f4")}
        given["inference_conditions"] = summary.conditions()
        return np.asarray(self.approximator.log_prob(given), np.float64)

    def sample(self, summary: Summary, n: int, seed: int) -> Floats:
        """Draw z, shape (images, n, 15)."""
        given = {"inference_conditions": summary.conditions()}
        made = self.approximator.sample(num_samples=n, conditions=given, seed=seed)
        return np.asarray(made["inference_variables"], np.float64)


class Heads:
    """Student's t with a mean and a scale matrix trained anew, from what the flow is given.

    If it is as good as the flow, the form of the posterior costs nothing.

    Parameters
    ----------
    training : Summary
        Sets the scale of the inputs.
    seed : int
    mean : bool
        Whether the mean is trained too, or remains that of the network.
    """

    def __init__(self, training: Summary, seed: int, *, mean: bool = True) -> None:
        keras = import_keras()
        keras.utils.set_random_seed(seed)
        conditions = training.conditions()
        spread = conditions.std(axis=0)
        self.shift, self.scale = conditions.mean(axis=0), np.where(spread > 0, spread, 1)
        self.freedom = model_card("measured")["calibration"]["freedom"]
        x = given = keras.Input((conditions.shape[1],))
        for _ in range(2):
            x = keras.layers.Dropout(0.05)(keras.layers.Dense(256, activation="mish")(x))
        out = keras.layers.Dense(N + N * (N + 1) // 2, kernel_initializer="zeros")(x)
        if not mean:
            out = keras.ops.concatenate([keras.ops.zeros_like(out[:, :N]), out[:, N:]], axis=-1)
        self.model = keras.Model(given, out)

    def _given(self, summary: Summary) -> Reals:
        return (summary.conditions() - self.shift) / self.scale

    def _answers(self, summary: Summary) -> Reals:
        return self.model.predict(self._given(summary), batch_size=1024, verbose=0)

    def _factor(self, out: Any) -> Any:
        """Lower triangular A: A (z - mean) has unit covariance; shape (n, 15, 15)."""
        ops = import_keras().ops
        row, column = np.tril_indices(N, -1)
        place = np.zeros((len(row), N * N), np.float32)
        place[np.arange(len(row)), row * N + column] = 1
        below = ops.reshape(ops.matmul(out[:, 2 * N :], place), (-1, N, N))
        return below + ops.exp(out[:, N : 2 * N, None]) * np.eye(N, dtype=np.float32)

    def loss(self, z: Any, out: Any) -> Any:
        """Negative logarithm of the density of z."""
        ops, freedom = import_keras().ops, self.freedom
        logarithm = out[:, N : 2 * N]
        u = ops.matmul(self._factor(out), (z - out[:, :N])[..., None])[..., 0]
        squares = ops.sum(u**2, axis=-1) / (freedom - 2)
        half = (freedom + N) / 2
        constant = student(np.zeros((1, N)), freedom)[0]
        return half * ops.log1p(squares) - constant - ops.sum(logarithm, axis=-1)

    def fit(self, training: Summary, stopping: Summary, epochs: int) -> float:
        """Train as the flow is trained."""
        keras = import_keras()
        both = joined([training, training.exchanged()])
        rate = keras.optimizers.schedules.CosineDecay(1e-3, epochs * (len(both.mean) // 256))
        adam = keras.optimizers.AdamW(rate, weight_decay=1e-3, clipnorm=1.0)
        self.model.compile(adam, loss=self.loss)
        stop = keras.callbacks.EarlyStopping(patience=4, restore_best_weights=True)
        log = self.model.fit(
            self._given(both),
            whitened(both)[0].astype("f4"),
            validation_data=(self._given(stopping), whitened(stopping)[0].astype("f4")),
            batch_size=256,
            epochs=epochs,
            callbacks=[stop],
            verbose=2,
        )
        return float(min(log.history["val_loss"]))

    def density(self, z: Reals, summary: Summary) -> Floats:
        """Logarithm of the density of z, shape (n,)."""
        return -np.asarray(self.loss(np.asarray(z, "f4"), self._answers(summary)), np.float64)

    def sample(self, summary: Summary, n: int, seed: int) -> Floats:
        """Draw z, shape (images, n, 15)."""
        rng, out = np.random.default_rng(seed), self._answers(summary)
        u = rng.normal(size=(len(out), N, n))
        u *= np.sqrt((self.freedom - 2) / rng.chisquare(self.freedom, (len(out), 1, n)))
        spread = np.linalg.solve(np.asarray(self._factor(out), np.float64), u)
        return out[:, None, :N] + spread.swapaxes(1, 2)


def vectors_of(z: Reals, summary: Summary) -> Floats:
    """Correlations from samples of z, shape (n, samples, 15): the inverse of `whitened`."""
    factor = np.linalg.cholesky(summary.covariance.astype(np.float64))
    return summary.mean[:, None] + np.einsum("nab,nsb->nsa", factor, z)


def spread(samples: Reals, vectors: Reals) -> dict[str, float]:
    """Error of the mean of samples, (n, samples, 15), and how often their intervals hold."""
    made = {"rms_error": float(np.sqrt(((samples.mean(axis=1) - vectors) ** 2).mean()))}
    for level in LEVELS:
        low, high = np.quantile(samples, [0.5 - level / 200, 0.5 + level / 200], axis=1)
        made[f"coverage{level}"] = float(((low <= vectors) & (vectors <= high)).mean())
    return made


def paired(one: Reals, other: Reals) -> tuple[float, float]:
    """Mean of one - other over the images, and its standard error."""
    apart = np.asarray(one) - other
    return float(apart.mean()), float(apart.std(ddof=1) / np.sqrt(len(apart)))


def compare(
    summary: Summary, models: dict[str, Flow | Heads], rivals: dict[str, Scaled]
) -> dict[str, Any]:
    """Score the shipped posterior and some others, the flow among them, on a trial."""
    freedom = model_card("measured")["calibration"]["freedom"]
    z, volume = whitened(summary)
    scores = {"network": (student(z, freedom) - volume) / N}
    scores |= {name: rival.log_scores(summary) for name, rival in rivals.items()}
    drawn = {
        name: rivals[name].factors(summary)[:, None, None] * model.sample(summary, SAMPLES, seed=1)
        for name, model in models.items()
    }
    rms = np.sqrt(((summary.mean - summary.vectors) ** 2).mean())
    return {
        "images": len(z),
        "log_score": {name: float(values.mean()) for name, values in scores.items()},
        "flow_minus": {
            name: paired(scores["flow"], values)
            for name, values in scores.items()
            if name != "flow"
        },
        "rms_error": float(rms),
        **{name: spread(vectors_of(x, summary), summary.vectors) for name, x in drawn.items()},
    }


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--train", type=int, default=40_960, help="images; default: 40960")
    parser.add_argument("--lattices", type=int, default=6000, help="grainy ones; default: 6000")
    parser.add_argument("--seed", type=int, default=7001, help="of the training; default: 7001")
    parser.add_argument("--epochs", type=int, default=16, help="at most; default: 16")
    parser.add_argument("--base", choices=["normal", "student_t"], default="student_t")
    parser.add_argument("--images", type=int, default=100, help="of each trial; default: 100")
    parser.add_argument("--test-seed", type=int, default=4711, help="default: 4711")
    parser.add_argument("--keep", type=Path, help="folder of what this network has read before")
    parser.add_argument("--out", type=Path, help="file for the scores, JSON")
    given = parser.parse_args()
    if given.train <= 0 or given.train % BLOCK:
        parser.error(
            f"--train {given.train}: images are made in blocks, give a multiple of {BLOCK}"
        )
    flow = Flow(given.base, given.seed)  # first: it may be missing
    network = Network()

    def summary(name: str, make: Callable[[], Summary]) -> Summary:
        return stored(given.keep and given.keep / f"{name}.npz", make)

    training = summary(
        f"training-{given.train}-{given.lattices}-{given.seed}",
        lambda: network.training(given.train, given.lattices, given.seed),
    )
    stopping = summary(
        "stopping", lambda: joined(network.known(calibration_crystals(**VALIDATION), 77))
    )
    second = summary(
        "second",
        lambda: joined(
            network.known(calibration_crystals(**CALIBRATION), 31)
            + [network.trial(trial) for trial in trials(**GRAINY)]
        ),
    )
    test = {
        name: summary(
            f"test-{name}-{given.images}-{given.test_seed}",
            lambda make=make: network.trial(make(given.images, given.test_seed)),
        )
        for name, make in TRIALS.items()
    }
    start = time.process_time()
    lowest = {"flow": flow.fit(training, stopping, given.epochs)}
    seconds = time.process_time() - start
    heads = Heads(training, given.seed)
    lowest["heads"] = heads.fit(training, stopping, given.epochs)
    scale = Heads(training, given.seed, mean=False)
    lowest["scale"] = scale.fit(training, stopping, given.epochs)
    models = {"flow": flow, "heads": heads, "scale": scale}
    students = [scaled(lambda z, _, f=f: student(z, f), second) for f in FREEDOMS]
    rivals = {
        "recalibrated": max(students, key=lambda made: made.log_scores(second).mean()),
        **{name: scaled(model.density, second) for name, model in models.items()},
        "flow_uncalibrated": Scaled(flow.density, np.array([0.0]), np.array([1.0])),
    }
    results = {}
    for name, read in test.items():
        results[name] = compare(read, models, rivals)
        print(name, json.dumps(results[name]), flush=True)
    if given.out:
        options = " ".join(
            f"--{name.replace('_', '-')} {value}"
            for name, value in vars(given).items()
            if name not in ("keep", "out")
        )
        result = {
            "command": f"python benchmarks/flow_rival.py {options}",
            "bayesflow": flow.bayesflow.__version__,
            "parameters": flow.approximator.count_params(),
            "cpu_seconds": round(seconds),
            "stopping_loss": lowest,
            "factors": {name: made.factor.round(3).tolist() for name, made in rivals.items()},
            "trials": results,
        }
        given.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
