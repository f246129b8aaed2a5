"""The business case of reading crystals by a network: a yearly account that can be questioned.

The study of 2023 ends with a table of units and dollars per year, without and with a network, of
which `study.PUBLISHED` holds every line. The accounts in this module are simpler ones of ours: each
choice in `STORIES` gives the published net incomes, `PUBLISHED`, to the dollar, and all its other
amounts are our assumptions. Amounts are dollars per year unless a docstring says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import erf

from xrlab.course import study
from xrlab.crystal.arrays import Floats, Mask

# Published net income without and with the network.
PUBLISHED = tuple(study.PUBLISHED["net_income"])
SHARES = ("error_rate", "noticed", "false_alarm")


@dataclass(frozen=True)
class Plan:
    """One year of measuring and interpreting crystals.

    Measurements are what is scarce. An answer that is noticed to be wrong, or is taken for wrong,
    is not delivered: its crystal is measured again, and again, until an answer passes. A wrong
    answer that is not noticed is delivered and costs a claim.

    Parameters
    ----------
    units : float
        Measurements that can be made per year.
    price : float
        Dollars for a delivered answer.
    measurement, analysis : float
        Dollars for one measurement and for interpreting it.
    fixed : float
        Dollars per year, however many units there are.
    error_rate : float
        Share of answers that are wrong, 0 to 1, the same for every repetition.
    noticed : float
        Share of the wrong answers that are noticed.
    false_alarm : float
        Share of the right answers that are held back as wrong.
    claim : float
        Dollars for a wrong answer that was delivered.
    demand : float
        Answers that are bought per year.

    Raises
    ------
    ValueError
        If an amount is negative or not a number, or a share lies outside 0 to 1.

    Examples
    --------
    >>> plan = Plan(units=100, price=50, measurement=10, analysis=15, fixed=500)
    >>> plan.net_income
    2000.0
    >>> replace(plan, error_rate=0.1).net_income  # ten answers less to sell, no cost less
    1500.0
    """

    units: float
    price: float
    measurement: float
    analysis: float
    fixed: float
    error_rate: float = 0.0
    noticed: float = 1.0
    false_alarm: float = 0.0
    claim: float = 0.0
    demand: float = np.inf

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value >= 0:
                raise ValueError(f"{name} must be a number from 0 up; got {value}")
            if name in SHARES and value > 1:
                raise ValueError(
                    f"{name} is a share from 0 to 1; got {value}: divide a percentage by 100"
                )
            if np.isinf(value) and name != "demand":
                raise ValueError(f"{name} must be finite; got {value}")

    @property
    def passed(self) -> float:
        """Share of the measurements whose answer is delivered, right or wrong."""
        return 1 - self.error_rate * self.noticed - (1 - self.error_rate) * self.false_alarm

    @property
    def delivered(self) -> float:
        """Answers sold per year."""
        return min(self.units * self.passed, self.demand)

    @property
    def measured(self) -> float:
        """Measurements made per year; 1 / passed for every answer delivered, as mean."""
        return self.delivered / self.passed if self.passed > 0 else self.units

    @property
    def delivered_wrong(self) -> float:
        """Wrong answers per year that are not noticed."""
        return self.measured * self.error_rate * (1 - self.noticed)

    @property
    def net_income(self) -> float:
        """Sales less all costs, before interest and taxes."""
        return float(sum(self.lines().values()))

    def lines(self) -> dict[str, float]:
        """Return the account line by line, costs negative."""
        return {
            "sales": self.delivered * self.price,
            "measurements": -self.measured * self.measurement,
            "analysis": -self.measured * self.analysis,
            "claims": -self.delivered_wrong * self.claim,
            "fixed costs": -self.fixed,
        }


@dataclass(frozen=True)
class Story:
    """Two plans to compare, and the reason in words why the second one earns more.

    Parameters
    ----------
    today, network : Plan
    because : str
    """

    today: Plan
    network: Plan
    because: str = ""

    @property
    def advantage(self) -> float:
        """Increase of the net income by the network."""
        return self.network.net_income - self.today.net_income

    def both(self, **changes: float) -> Story:
        """Return the story with the same changes in both plans.

        >>> limited = STORIES["more units"].both(demand=20_000)
        >>> f"{limited.advantage:,.0f}"
        '1,300,002'
        """
        today, network = (replace(plan, **changes) for plan in (self.today, self.network))
        return replace(self, today=today, network=network)


_TODAY = Plan(units=20_000, price=12_000, measurement=1_500, analysis=500, fixed=2_150_000)
_BY_EXPERTS = replace(_TODAY, price=17_000, analysis=5_500)
_NETWORK = 2_449_998  # fixed costs with a network: what makes the published total come out
STORIES: dict[str, Story] = {
    "more units": Story(
        _TODAY,
        replace(_TODAY, units=30_000, analysis=420, fixed=_NETWORK),
        "quick answers free the instrument, so half as many crystals again are measured and sold",
    ),
    "cheaper analysis": Story(
        _BY_EXPERTS,
        replace(_BY_EXPERTS, analysis=380, fixed=_NETWORK),
        "as many crystals as before, but experts no longer spend days on each",
    ),
    "dearer answers": Story(
        _TODAY,
        replace(_TODAY, price=17_100, analysis=480, fixed=_NETWORK),
        "as many crystals as before, but customers pay more for an answer on the same day",
    ),
}


def count_ways(total: int, max_units: int = 100_000, max_fixed: int = 5_000_000) -> int:
    """Count the sets of whole numbers with units x margin - fixed costs = total.

    The margin, price less the costs of one unit, is 1 dollar or more; units run from 1 to
    `max_units`, fixed costs from 0 to `max_fixed`. Each margin may be split into price and costs in
    many ways more, which are not counted.

    >>> count_ways(6, max_units=3, max_fixed=1)  # 1 x 6, 1 x 7 - 1, 2 x 3, 3 x 2
    4
    """
    if total < 1 or max_units < 1 or max_fixed < 0:
        raise ValueError(
            f"a total and a number of units are 1 or more, fixed costs 0 or more; got a total of "
            f"{total}, max_units {max_units}, max_fixed {max_fixed}"
        )
    units = np.arange(1, max_units + 1, dtype=np.int64)
    return int(np.sum((total + max_fixed) // units - -(-total // units) + 1))


def random_ways(total: int, n: int = 200, seed: int | np.random.Generator = 0) -> NDArray[np.int64]:
    """Draw sets of whole numbers with units x margin - fixed costs = total.

    Units are drawn from 10 to 1 000 000, uniformly in their logarithm; the margin is the smallest
    that pays fixed costs of 100 000 dollars; the remainder is added to the fixed costs.

    Returns
    -------
    int array, shape (n, 3)
        Units, margin, fixed costs.

    >>> units, margin, fixed = random_ways(PUBLISHED[1]).T
    >>> bool((units * margin - fixed == PUBLISHED[1]).all())
    True
    """
    units = np.exp(np.random.default_rng(seed).uniform(np.log(10), np.log(1e6), n)).astype(int)
    margin = -(-(total + 100_000) // units)
    return np.stack([units, margin, units * margin - total], axis=1)


@dataclass(frozen=True)
class Swing:
    """Effect of one input on an outcome.

    Parameters
    ----------
    name : str
    low, high : float
        Outcome with a smaller and a larger input.
    """

    name: str
    low: float
    high: float

    @property
    def size(self) -> float:
        """Distance between the two."""
        return abs(self.high - self.low)


def tornado(
    story: Story,
    change: float = 0.2,
    outcome: Callable[[Story], float] = lambda story: story.network.net_income,
) -> list[Swing]:
    """Change every input by the same share, one at a time, and compute the outcome.

    An input that is the same in both plans changes in both; others change in one. Inputs without
    effect on the outcome are left out.

    Parameters
    ----------
    story : Story
    change : float
        Share, above 0 and below 1.
    outcome : function of a story, optional
        The net income with the network, if not given.

    Returns
    -------
    list of Swing
        The largest first.

    Examples
    --------
    >>> [swing.name for swing in tornado(STORIES["more units"])][:2]
    ['price', 'units, with the network']
    """
    if not 0 < change < 1:
        raise ValueError(f"a change is a share above 0 and below 1; got {change}")
    swings = []
    for name in ("units", "price", "measurement", "analysis", "fixed"):
        old, new = getattr(story.today, name), getattr(story.network, name)
        factors = (1 - change, 1 + change)
        if old == new:
            ends = [outcome(story.both(**{name: old * factor})) for factor in factors]
            swings.append(Swing(name, *ends))
            continue
        for label, part, value in (("today", "today", old), ("with the network", "network", new)):
            plan = getattr(story, part)
            ends = [
                outcome(replace(story, **{part: replace(plan, **{name: value * factor})}))
                for factor in factors
            ]
            swings.append(Swing(f"{name}, {label}", *ends))
    return sorted((swing for swing in swings if swing.size > 0), key=lambda swing: -swing.size)


def bridge(story: Story) -> dict[str, float]:
    """Split the advantage: replace today's inputs by the network's, one after the other.

    The order is that of the fields of a `Plan`, and the parts depend on it: of two inputs that
    multiply each other, the product of both changes is attributed to the later one.

    >>> {name: f"{step:,.0f}" for name, step in bridge(STORIES["more units"]).items()}
    {'units': '100,000,000', 'analysis': '2,400,000', 'fixed': '-299,998'}
    """
    steps, plan = {}, story.today
    for name, value in vars(story.network).items():
        new = replace(plan, **{name: value})
        if new != plan:
            steps[name] = new.net_income - plan.net_income
        plan = new
    return steps


def break_even(plan: Plan, name: str, target: float, low: float, high: float) -> float:
    """Find the value of one input at which a plan earns the target.

    Parameters
    ----------
    plan : Plan
    name : str
        An input, such as ``"error_rate"``.
    target : float
        Net income, dollars per year.
    low, high : float
        Where to look; the plan must earn more than the target at one end and less at the other.

    Raises
    ------
    ValueError
        If there is no such input, or the target is not between the two ends.

    Examples
    --------
    >>> plan = Plan(units=100, price=50, measurement=10, analysis=15, fixed=500)
    >>> round(break_even(plan, "price", 0, 25, 50), 6)
    30.0
    """
    if name not in vars(plan):
        raise ValueError(f"a plan has no input {name!r}; it has {', '.join(vars(plan))}")

    def surplus(value: float) -> float:
        return replace(plan, **{name: value}).net_income - target

    ends = surplus(low), surplus(high)
    if ends[0] * ends[1] > 0:
        raise ValueError(
            f"no break-even: with {name} from {low:g} to {high:g} the plan earns "
            f"{'more' if ends[0] > 0 else 'less'} than {target:,.0f} at both ends"
        )
    return float(brentq(surplus, low, high, xtol=1e-12))


def standard_error_from_r2(r2: ArrayLike, spread: ArrayLike) -> Floats:
    """Root mean square error of values that spread with this standard deviation.

    From the definition of R^2: sigma = spread x sqrt(1 - R^2).

    >>> standard_error_from_r2([0.98, 0.5], 0.3).round(3)
    array([0.042, 0.212])
    """
    r2, spread = np.asarray(r2, float), np.asarray(spread, float)
    if not ((r2 <= 1).all() and (spread > 0).all()):
        raise ValueError(f"R^2 is at most 1 and a spread above 0; got {r2} and {spread}")
    return np.asarray(spread * np.sqrt(1 - r2))


def error_probability(standard_error: ArrayLike, tolerance: float) -> float:
    """Probability that an answer has at least one component off by more than the tolerance.

    For independent normal errors of mean 0: 1 - product of erf(tolerance / (sqrt(2) sigma)).
    Correlated errors make it smaller.

    Parameters
    ----------
    standard_error : float or array, shape (components,)
        sigma of each, above 0.
    tolerance : float
        In units of a correlation, above 0.

    Examples
    --------
    >>> round(error_probability(1.0, 1.645), 2)
    0.1
    >>> round(error_probability([1.0] * 15, 1.645), 2)
    0.79
    """
    sigma = np.asarray(standard_error, float)
    if not (sigma > 0).all() or not tolerance > 0 or sigma.size == 0:
        raise ValueError(
            f"standard errors and a tolerance are above 0; got {sigma} and {tolerance}"
        )
    return float(1 - np.prod(erf(tolerance / (np.sqrt(2) * sigma))))


def share_wrong(true: ArrayLike, answers: ArrayLike, tolerance: float) -> float:
    """Share of answers, shape (samples, components), that have a component off by more.

    >>> share_wrong([[0, 0], [0, 0]], [[0.01, 0.2], [0.02, 0]], tolerance=0.1)
    0.5
    """
    return float(_wrong(true, answers, tolerance).mean())


def screen(
    true: ArrayLike,
    answers: ArrayLike,
    standard_error: ArrayLike,
    tolerance: float,
    threshold: float,
) -> dict[str, float]:
    """Deliver or hold back answers by their error bars, and count the result.

    An answer is held back where `error_probability` of its own standard errors is above the
    threshold.

    Parameters
    ----------
    true, answers, standard_error : arrays, shape (samples, components)
    tolerance : float
        In units of a correlation; an answer is wrong if any component is off by more.
    threshold : float
        0 to 1. At 1 every answer is delivered.

    Returns
    -------
    dict
        ``"error_rate"``, ``"noticed"`` and ``"false_alarm"`` of a `business.Plan`; a share of
        nothing is 0.

    Examples
    --------
    >>> screen([[0], [0], [0]], [[0.3], [0.3], [0.0]], [[0.5], [0.05], [0.05]], 0.1, 0.5)
    {'error_rate': 0.66..., 'noticed': 0.5, 'false_alarm': 0.0}
    """
    errors = np.asarray(standard_error, float)
    wrong, shape = _wrong(true, answers, tolerance), np.shape(true)
    if errors.shape != shape or not 0 <= threshold <= 1:
        raise ValueError(
            f"every value has a standard error, and a threshold lies from 0 to 1; got shapes "
            f"{errors.shape} and {shape}, threshold {threshold}"
        )
    held = np.array([error_probability(each, tolerance) > threshold for each in errors])
    return {
        "error_rate": float(wrong.mean()),
        "noticed": float(held[wrong].mean()) if wrong.any() else 0.0,
        "false_alarm": float(held[~wrong].mean()) if (~wrong).any() else 0.0,
    }


def _wrong(true: ArrayLike, answers: ArrayLike, tolerance: float) -> Mask:
    """Say which answers have a component off by more than the tolerance."""
    truth, estimate = np.asarray(true, float), np.asarray(answers, float)
    if truth.shape != estimate.shape or truth.ndim != 2 or not len(truth):
        raise ValueError(
            f"truth and answers have one shape (samples, components); got {truth.shape} and "
            f"{estimate.shape}"
        )
    return (np.abs(truth - estimate) > tolerance).any(axis=1)
