"""Checks of the exercises: each returns a sentence and never raises.

A reply begins with "Not yet", "Close" or "Right": what is wrong in general, which mistake it looks
like, or what there is to notice beside the answer. The second exercise of each notebook is checked
by `xrlab.course.further_checks`, whose functions are available here too.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from xrlab.course.business import STORIES, Story
from xrlab.course.further_checks import (  # noqa: F401
    WIDTH,
    best_r2,
    check_background,
    check_bits,
    check_difference,
    check_tolerable,
    effective_number,
    enough_lots,
    intensity_at_half,
    number_of_parameters,
    share_interval,
    widening,
)
from xrlab.course.replies import (
    COUNTED,
    NO_SHARE,
    PERCENTAGE,
    friendly,
    matching,
    nearest,
    number,
    numbers,
)
from xrlab.crystal.arrays import Floats
from xrlab.crystal.encoding import Encoding, component_names
from xrlab.crystal.setting import SPAN


@friendly
def share_alike(answer: float, correlation: float) -> str:
    """Check exercise 0: the share of alike pairs that a correlation stands for."""
    c = float(correlation)
    expected = (1 + c) / 2
    value = number(answer)
    replies = {
        f"Right: {expected:.1%} alike, {1 - expected:.1%} unlike, and the difference is the "
        f"correlation. Notice how little it takes: in a crystal without order it is 50 %, and "
        f"these few per cent make the whole broad pattern.": expected,
        "Close: that is the correlation, alike minus unlike. And alike plus unlike is all, 1. "
        "Two equations, two unknowns.": c,
        "Close: that is the share of the unlike. The others are asked for.": 1 - expected,
        PERCENTAGE: 100 * expected,
        "Close: that is twice the share. The two equations added give alike plus alike.": 1 + c,
        "Close: one half is right without order. But a pair that turns from unlike to alike "
        "changes the difference of the two shares by two pairs.": 0.5 + c,
    }
    if reply := matching(value, replies):
        return reply
    if not 0 <= value <= 1:
        return NO_SHARE
    return (
        f"Not yet: with {value:.2f} alike and {1 - value:.2f} unlike, the correlation would be "
        f"{2 * value - 1:+.2f}. It is {c:+.2f}."
    )


@friendly
def brightest_at_half(answer: Encoding) -> str:
    """Check exercise 1: an encoding of span 2 with its maximum at (1/2, 0)."""
    if not isinstance(answer, Encoding):
        return "Not yet: the answer is an Encoding, made with Encoding.from_vector([...])."
    if answer.span != 2:
        return (
            f"Not yet: take an encoding of span 2, with 3 values; yours has span {answer.span}, "
            f"with {answer.vector.size} values."
        )
    c01, c10, c11 = answer.vector
    # S(h, k) at the four special points, c(1, -1) = c(1, 1) by symmetry of the sketch
    signs = {"(0, 0)": (1, 1), "(½, 0)": (-1, 1), "(0, ½)": (1, -1), "(½, ½)": (-1, -1)}
    intensity = {
        place: 1 + 2 * (b * c01 + a * c10) + 4 * a * b * c11 for place, (a, b) in signs.items()
    }
    brightest = max(intensity, key=lambda place: intensity[place])
    if np.ptp(list(intensity.values())) < 0.01:
        return "Not yet: a crystal without order is equally bright everywhere. Put order into it."
    if brightest == "(0, ½)":
        return "Close: yours is brightest at (0, ½), so the two axes are exchanged. Which is i?"
    if c10 < 0 < c01 and c11 > 0:
        return (
            "Close: the neighbours along a and along b are right. Now the diagonal: a step along "
            "both meets one change, so which sign has c(1, 1)?"
        )
    if brightest != "(½, 0)":
        pattern = "all neighbours alike" if brightest == "(0, 0)" else "all neighbours different"
        return (
            f"Not yet: yours is brightest at {brightest}: {pattern}. Which ones should be alike, "
            f"and which should differ?"
        )
    if intensity[brightest] <= 1.2 * sorted(intensity.values())[-2]:
        return "Close: (½, 0) is the brightest point, but only just. Make the order stronger."
    if answer.violations():
        return (
            f"Close: it would be brightest at (½, 0), but no lattice can have these numbers: "
            f"{answer.violations()[0]}."
        )
    return (
        "Right. Neighbours along a differ, so the period along a doubles and the maximum moves "
        "to h = ½; neighbours along b are alike, so it stays at k = 0. Notice the sign of "
        "c(1, 1): a step along both axes meets one change, so it is negative."
    )


@friendly
def error_per_component(answer: ArrayLike, true: ArrayLike, estimate: ArrayLike) -> str:
    """Check exercise 5: the root mean square error of each component."""
    off = np.asarray(estimate, dtype=float) - np.asarray(true, dtype=float)
    total = np.sum(off**2, axis=0)
    square = total / len(off)
    values = numbers(answer)
    if values.shape == off.shape[:1] != square.shape:
        return (
            "Close: you took the mean over the components, axis 1, and have one number for each "
            "sample. Over which axis do the samples run?"
        )
    if values.shape != square.shape:
        return (
            f"Not yet: the answer is one number for each of the {square.size} components, an "
            f"array of shape {square.shape}; yours has shape {values.shape}. Over which axis do "
            f"you take the mean?"
        )
    mean, absolute, spread = off.mean(axis=0), np.abs(off).mean(axis=0), off.std(axis=0)
    replies = {
        "Right. Notice that the farthest correlation is not the easiest: the fewer pairs of "
        "sites a lot holds at a distance, the noisier its correlation.": np.sqrt(square),
        "Close: that is the mean square. Its root has the unit of a correlation.": square,
        f"Close: that is the root of the sum. With twice as many samples it would be larger: "
        f"divide by their number, {len(off)}, before you take the root.": np.sqrt(total),
        "Close: that is the mean absolute error. It counts a large error less than its square "
        "does: square, then average, then take the root.": absolute,
        "Not yet: that is the mean error. Errors up and down cancel in it: take the square "
        "first, so that every error counts as positive.": np.copysign(mean, values),
        "Close: a standard deviation takes the mean error away first. Here it counts too.": spread,
    }
    return (
        matching(values, replies)
        or "Not yet: take mean - true, square it, average over the samples, take the root."
    )


@friendly
def asymmetry(answer: float, image: ArrayLike) -> str:
    """Check exercise 7: relative root mean square change of an image under inversion."""
    array = np.asarray(image, dtype=float)
    value, spread = number(answer), array.std()

    def change(turned: Floats) -> float:
        return float(np.sqrt(np.mean((array - turned) ** 2)) / spread)

    expected = change(array[::-1, ::-1])
    exchanged = change(array.T) if array.shape == array.T.shape else np.inf
    replies = {
        f"Right: {value:.2f}. Short-range order alone would give 0, and 1.41 would mean "
        f"that the two halves have nothing in common. Notice that one number is proof enough: "
        f"no encoding makes this image.": expected,
        "Close: divide by the standard deviation of the image, so that its scale drops out.": (
            expected * spread
        ),
        "Close: you divide by the mean. A constant background would change that, but not the "
        "pattern: divide by the standard deviation.": expected * spread / array.mean(),
        "Close: that is the mean square over the variance. Take the root.": expected**2,
        "Close: you compare with a mirror image. An inversion turns both axes round, h and k: "
        "image[::-1, ::-1].": nearest(value, change(array[::-1]), change(array[:, ::-1])),
        "Close: you exchange the axes, h with k. An inversion keeps each axis where it is and "
        "turns it round.": exchanged,
    }
    if reply := matching(value, replies):
        return reply
    if value < 0:
        return "Not yet: a root mean square is never below 0. Is there a square missing?"
    return "Not yet: compare the image with image[::-1, ::-1], the image turned by half round."


@friendly
def share_possible(answer: float, asked: ArrayLike) -> str:
    """Check exercise 2: the share of encodings of span 2 that meet the three-site conditions."""
    x, y, z = np.asarray(asked, dtype=float).T
    plus, minus = abs(x + y) <= 1 + z, abs(x - y) <= 1 - z
    expected = float((plus & minus).mean())
    value = number(answer)
    replies = {
        f"Right: {expected:.3f}, and with ever more of them it would be 1/3. Notice the shape: "
        f"the conditions cut four corners off the cube, and what stays is a tetrahedron.": (
            nearest(value, expected, 1 / 3)
        ),
        "Close: that is the share of those that no lattice can have.": 1 - expected,
        "Close: that is the share that meets one of the two conditions. Ask for both, with &.": (
            nearest(value, plus.mean(), minus.mean())
        ),
        "Close: you ask for one or the other. Both must hold: & instead of |.": (
            plus | minus
        ).mean(),
        PERCENTAGE: 100 * expected,
    }
    if reply := matching(value, replies):
        return reply
    if not 0 <= value <= 1:
        return COUNTED
    return "Not yet: write both conditions for x, y, z = wishes.T, join them with &, take the mean."


@friendly
def large_enough_lattice(answer: float, lots: int = 64, lot_size: int = 25) -> str:
    """Check exercise 3: smallest N whose grain exceeds that of independent lots by 10 percent."""
    value = number(answer)
    if value < lot_size:
        return f"Not yet: a lot of {lot_size} × {lot_size} sites does not even fit there."
    excess = np.sqrt(1 + (lots - 1) * (2 / 3 * lot_size / value) ** 2) - 1

    def needed(variance: float, reach: float = 2 / 3) -> float:
        return float(reach * lot_size * np.sqrt((lots - 1) / (variance - 1)))

    best = needed(1.1**2)
    if abs(value - best) <= 10:
        return (
            f"Right: {value:.0f} sites, {value**2 / (lots * lot_size**2):.1f} times as many as all "
            f"lots together hold. Notice why: lots at random places overlap even where they need "
            f"not."
        )
    if abs(value - lot_size * np.sqrt(lots)) < 1:
        return (
            f"Close: {value:.0f} × {value:.0f} sites are just enough to lay all lots side by side. "
            f"At random places they overlap, and the grain is still {excess:.0%} above 1/√M."
        )
    if abs(value - best**2) <= 20 * best:
        return "Close: that is the number of sites. N is the side of the lattice, its root."
    if abs(value - needed(1.1)) <= 5:
        return (
            "Close: that keeps the variance v to 10 %. The grain is its root, so v may be "
            "1.1² times as large."
        )
    if abs(value - needed(1.1**2, 1)) <= 5:
        return (
            "Close: you take (L/N)² for the overlap κ. Two lots that meet share a part of "
            "their sites only: κ ≈ (4/9) (L/N)²."
        )
    if value < best:
        return f"Not yet: with N = {value:.0f} the grain is {excess:.0%} above 1/√M. Larger."
    return f"Not yet: N = {value:.4g} would do ({excess:.0%} above 1/√M), but less is enough."


@friendly
def coverage(answer: float, true: ArrayLike, mean: ArrayLike, error: ArrayLike) -> str:
    """Check exercise 6: the part of the true values within the 90 % intervals."""
    off = np.asarray(mean, dtype=float) - np.asarray(true, dtype=float)
    off = off / np.asarray(error, dtype=float)
    expected = float(np.mean(np.abs(off) < WIDTH))
    values = numbers(answer)
    if values.size > 1:
        return (
            f"Not yet: the answer is one number for all values together; yours has shape "
            f"{values.shape}. Take the mean over both axes."
        )
    value = number(values)
    verdict = (
        "the error bars are cautious"
        if expected > 0.92
        else "the error bars promise too much"
        if expected < 0.88
        else "the promise of 90 % is kept, to within what so few images can tell"
    )
    one = np.mean(np.abs(off) < 1)
    replies = {
        f"Right: {value:.1%} lie inside. Notice what it means: {verdict}.": expected,
        "Close: that is the share outside.": 1 - expected,
        f"Close: that is within one standard error. A 90 % interval reaches {WIDTH} of them.": one,
        "Close: an answer that is far too small is outside as well. Take the size of the "
        "difference, without its sign.": np.mean(off < WIDTH),
        PERCENTAGE: 100 * expected,
    }
    if reply := matching(value, replies):
        return reply
    if not 0 <= value <= 1:
        return COUNTED
    return f"Not yet: compare np.abs(mean - true) with {WIDTH} * error, and take the mean."


@friendly
def check_break_even(answer: float, story: Story = STORIES["more units"]) -> str:
    """Check exercise 9: the share of noticed wrong answers that eats up the advantage."""
    plan, costs = story.network, story.network.measurement + story.network.analysis
    lost = story.advantage / plan.units
    expected = lost / plan.price
    value = number(answer)
    replies = {
        f"Right: {expected:.1%}. Every failed measurement loses the price of an answer, and "
        f"notice that its own costs play no part: they are paid whether it succeeds or "
        f"not.": expected,
        PERCENTAGE: 100 * expected,
        "Close: you let a failed measurement lose its margin. Its costs are paid all the same, "
        "so what is lost is the whole price.": lost / (plan.price - costs),
        "Not yet: you count what the second measurement costs. It also takes the place of a "
        "crystal that could have been sold.": lost / costs,
    }
    if reply := matching(value, replies):
        return reply
    if not 0 <= value <= 1:
        return NO_SHARE
    earned = replace(plan, error_rate=value).net_income
    word = "more" if earned > story.today.net_income else "less"
    return (
        f"Not yet: with a share of {value:.3g} wrong the network earns ${earned:,.0f}, {word} than "
        f"today's ${story.today.net_income:,.0f}."
    )


@friendly
def check_shrinkage(answer: ArrayLike, sigma: float = 1.0) -> str:
    """Check exercise 4: by what a Gaussian of `sigma` pixels shrinks c(0, 1) and c(3, 3)."""

    def factors(width: float, *squares: int) -> Floats:
        return np.exp(-2 * np.pi**2 * width**2 * np.array(squares))

    width = sigma * 2 / 63
    values = numbers(answer)
    names = f"{component_names(SPAN)[0]} and {component_names(SPAN)[-1]}"
    if values.shape != (2,):
        return f"Not yet: the answer is two factors, for {names}; yours has shape {values.shape}."
    replies = {
        f"Right: {values[0]:.3f} and {values[1]:.3f}. The far correlation suffers most. Since "
        f"the loss is known it can be undone: divide by it, as one divides by the lots "
        f"window.": factors(width, 1, 18),
        "Close: c(3, 3) lies √18 sites away, so i² + j² is 18.": factors(width, 1, 9),
        "Close: s is in r.l.u. One pixel is 2/63 r.l.u. wide.": factors(sigma, 1, 18),
    }
    if reply := matching(values, replies):
        return reply
    if (values >= 1).any():
        return "Not yet: smoothing makes correlations smaller, so the factors are below 1."
    return (
        "Not yet: the law stands in the section on smoothing. What is s for one pixel, and what is "
        "i² + j² for each of the two correlations?"
    )


@friendly
def check_pixels(answer: int, span: int = 5, lot_size: int = 25) -> str:
    """Check exercise 10: the fewest pixels on one cell from which Delta-PDF loses nothing.

    The image contains waves up to L - 1, the reach of the lots. With n = pixels - 1 steps in the
    cell, the wave i has n - i as its alias, which must lie beyond the span, span - 1.
    """
    far, near = lot_size - 1, span - 1
    expected = far + near + 2
    value = int(number(answer))
    if value != number(answer):
        return f"Not yet: a number of pixels is whole; got {number(answer):g}."
    replies = {
        f"Right: {expected} pixels, {expected - 1} steps. The farthest wave, {far}, then "
        f"looks like {expected - 1 - far}, just beyond the span. Notice that the image "
        f"itself is not resolved (that takes {2 * far + 2}): its fine waves come out "
        f"wrong, but none of the wrong ones is asked for.": expected,
        f"Close: {value} pixels make {value - 1} steps, as both ends of the cell are counted "
        f"and are the same point. Then the wave {far} looks like {value - 1 - far}.": expected - 1,
        f"Close: that resolves the whole image, up to the wave {far}. But only those up "
        f"to {near} are asked for; the others may come out wrong.": (
            nearest(value, 2 * far + 1, 2 * far + 2)
        ),
        f"Not yet: that would do if there were no waves beyond the span. The lots let waves "
        f"up to {far} through, whether you ask for them or not.": (
            nearest(value, 2 * near + 1, 2 * near + 2)
        ),
    }
    if reply := matching(value, replies):
        return reply
    if value < expected:
        steps = max(value - 1, 1)
        return f"Not yet: with {steps} steps, some wave up to {far} looks like one of the span."
    return f"Not yet: {value} pixels lose nothing, but fewer would do."


@friendly
def check_seen(answer: float, values: ArrayLike, errors: ArrayLike) -> str:
    """Check exercise 8: how many values lie beyond twice their standard error."""
    off = np.asarray(values) / np.asarray(errors)
    count = number(answer)
    beyond, one = (np.count_nonzero(np.abs(off) > reach) for reach in (2, 1))
    replies = {
        f"Right: {count:.0f} of {off.size}. Of as many values that are really 0, about one in "
        f"twenty would be beyond too, by chance.": beyond,
        "Close: those are the positive ones. Sites that prefer to differ count too.": (
            np.count_nonzero(off > 2)
        ),
        "Close: those are beyond one standard error. Ask for two.": one,
        "Close: those are the ones that cannot be told from 0.": off.size - beyond,
    }
    return (
        matching(count, replies)
        or "Not yet: compare np.abs(values) with 2 * errors and count what is larger."
    )
