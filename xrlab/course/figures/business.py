"""Tables and figures of the business case (notebook 9): the account, story, tornado and curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from xrlab.course import study
from xrlab.course.business import PUBLISHED, STORIES, Story, Swing
from xrlab.crystal.arrays import Reals
from xrlab.drawing.plots import BELOW, WIDEST, add_curve
from xrlab.drawing.png import COLOURS
from xrlab.drawing.tables import markdown_table

# Sliders as (field, words, tooltip, least, greatest, step). Those of "both" change both plans.
BOTH = (
    ("measurement", "measurement ($/unit)", "costs of one measurement", 0, 10_000, 100),
    ("demand", "demand (units/year)", "answers that somebody buys; at the right end no limit",
     0, 60_000, 500),
    ("noticed", "errors noticed (%)", "share of the wrong answers that are measured again",
     0, 100, 1),
    ("claim", "claim ($/error)", "costs of a wrong answer that was delivered",
     0, 500_000, 5_000),
)  # fmt: skip

EACH = (
    ("units", "units per year", "measurements that can be made per year", 0, 60_000, 500),
    ("price", "price ($/unit)", "what a delivered answer brings", 0, 30_000, 100),
    ("analysis", "analysis ($/unit)", "costs of interpreting one measurement", 0, 10_000, 20),
    ("fixed", "fixed costs ($/year)", "staff, rooms, computers", 0, 20_000_000, 50_000),
    ("error_rate", "wrong answers (%)", "share of the answers that are wrong", 0, 100, 1),
)

UNPUBLISHED = "our assumption"
DOLLAR = "\\$"  # in Markdown, where a bare one begins a formula


@dataclass(frozen=True)
class Account:
    """What the explorer shows for one setting of its sliders.

    Parameters
    ----------
    story : Story
    lines : dict
        Line of the account: (today, with the network), dollars per year.
    gain : float
        (with the network - today) / |today|; NaN if today's net income is 0.
    published : bool
        Whether both net incomes are the published ones, to the dollar.
    """

    story: Story
    lines: dict[str, tuple[float, float]]
    gain: float
    published: bool


def compute(story: Story = STORIES["more units"]) -> Account:
    """Draw up the account of a story.

    >>> account = compute()
    >>> account.published, round(account.gain, 3)
    (True, 0.516)
    """
    today, network = story.today, story.network
    lines = {name: (old, network.lines()[name]) for name, old in today.lines().items()}
    lines["net income"] = (today.net_income, network.net_income)
    earned = today.net_income
    gain = story.advantage / abs(earned) if earned else np.nan
    return Account(story, lines, gain, lines["net income"] == PUBLISHED)


def dollars(amount: float) -> str:
    """Write an amount in whole dollars.

    >>> dollars(-2_449_998), dollars(-0.0)
    ('−$2,449,998', '$0')
    """
    text = f"${abs(round(amount)):,}"
    return f"−{text}" if round(amount) < 0 else text


def account_html(account: Account) -> str:
    """Write the account as a table, the net incomes as bars to one scale."""
    longest = max(abs(value) for value in account.lines["net income"]) or 1.0
    cell = 'style="text-align: right; padding: 1px 12px"'
    rows = []
    for name, (today, network) in account.lines.items():
        tag = "b" if name == "net income" else "span"
        cells = "".join(
            f"<td {cell}><{tag}>{dollars(value)}</{tag}></td>"
            for value in (today, network, network - today)
        )
        rows.append(f'<tr><th scope="row" style="text-align: left">{name}</th>{cells}</tr>')
    bars = ""
    for n, (words, value) in enumerate(
        zip(("today", "with the network"), account.lines["net income"], strict=True)
    ):
        width, sign = 320 * abs(value) / longest, "" if value >= 0 else " (a loss)"
        bars += (
            f'<text x="118" y="{22 + 30 * n}" text-anchor="end">{words}</text>'
            f'<rect x="124" y="{6 + 30 * n}" width="{width:.0f}" height="22" '
            f'fill="{COLOURS[n] if value >= 0 else "#fff"}" stroke="{COLOURS[n]}"/>'
            f'<text x="{130 + width:.0f}" y="{22 + 30 * n}">{dollars(value)}{sign}</text>'
        )
    described = ", ".join(dollars(value) for value in account.lines["net income"])
    return (
        f"<table><caption>Dollars per year, costs negative</caption><thead><tr>"
        f'<th scope="col"></th><th scope="col" {cell}>today</th>'
        f'<th scope="col" {cell}>with the network</th><th scope="col" {cell}>difference</th>'
        f"</tr></thead><tbody>{''.join(rows)}</tbody></table>"
        f'<svg width="600" height="66" role="img" style="font-size: 13px; fill: currentColor" '
        f'aria-label="Net income today and with the network: {described}">{bars}</svg>'
    )


def published_table() -> str:
    """Write the published business case as a Markdown table, line by line."""
    rows = [
        "| resource | units, today | total | units, with the network | total | per unit |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for line in study.PUBLISHED["business"]:
        today, network = (
            f"{units:,} | {dollars(total)}"
            for units, total in zip(line["units"], line["total"], strict=True)
        )
        rows.append(f"| {line['resource']} | {today} | {network} | {dollars(line['dollars'][1])} |")
    today, network = (f"**{dollars(total)}**" for total in PUBLISHED)
    rows.append(f"| **net income** | | {today} | | {network} | |")
    return "\n".join(rows).replace("$", DOLLAR)


def story_table(story: Story) -> str:
    """Write every input of a story as a Markdown table that says where it comes from."""
    rows = []
    for name, words, _, _, _, _ in (EACH[0], EACH[1], BOTH[0], *EACH[2:4]):
        values = (f"{getattr(plan, name):,.0f}" for plan in (story.today, story.network))
        rows.append((words.replace("$", DOLLAR), *values, UNPUBLISHED))
    earned = (story.today.net_income, story.network.net_income)
    totals = (f"**{total:,.0f}**" for total in earned)
    source = "**published**, met to the dollar" if compute(story).published else "follows"
    rows.append((f"**net income ({DOLLAR}/year)**", *totals, source))
    return markdown_table(("line", "today", "with the network", "source"), rows, numbers=2)


# Figures


def ways_figure(ways: Mapping[str, NDArray[np.int64]], stories: Mapping[str, Story]) -> go.Figure:
    """Draw sets of inputs that give a total exactly: margin against units, stories marked."""
    figure = go.Figure()
    for n, (name, rows) in enumerate(ways.items()):
        units, margin, fixed = rows.T
        style = {"name": name, "customdata": fixed}
        style |= {"marker": {"symbol": ("circle-open", "x-thin-open")[n], "size": 7}}
        hover = "%{x:,} units × $%{y:,} − $%{customdata:,}<extra></extra>"
        add_curve(figure, units, margin, n, "markers", hovertemplate=hover, **style)
    for n, (name, story) in enumerate(stories.items()):
        plan = story.network
        margin = plan.price - plan.measurement - plan.analysis
        symbol, size = (("diamond", 12), ("square", 9), ("square-open", 18))[n]
        marker = {"color": "#222", "symbol": symbol, "size": size, "line": {"width": 2}}
        add_curve(figure, [plan.units], [margin], n, "markers", name=name, marker=marker)
    figure.update_xaxes(title="units per year", type="log")
    figure.update_yaxes(title="margin (dollars per unit)", type="log")
    return figure.update_layout(
        title="Every point earns a published total, to the dollar", width=800, height=420
    )


def tornado_figure(panels: Mapping[str, tuple[float, Sequence[Swing]]]) -> go.Figure:
    """Draw tornado diagrams one below the other: title -> (outcome unchanged, swings)."""
    heights = [len(swings) for _, swings in panels.values()]
    figure = make_subplots(
        len(panels), 1, subplot_titles=list(panels), row_heights=heights, vertical_spacing=0.2
    )
    for row, (middle, swings) in enumerate(panels.values(), start=1):
        names = [swing.name for swing in reversed(swings)]
        for n, end in enumerate(("low", "high")):
            values = np.array([getattr(swing, end) for swing in reversed(swings)])
            name = ("input 20 % smaller", "input 20 % larger")[n]
            marker = {"color": COLOURS[n], "pattern": {"shape": ("", "/")[n]}}
            style = {"name": name, "marker": marker, "showlegend": row == 1, "orientation": "h"}
            bars = {"y": names, "x": (values - middle) / 1e6, "base": middle / 1e6}
            figure.add_bar(**bars, **style, row=row, col=1)
        figure.add_vline(middle / 1e6, line_color="#222", row=row, col=1)
        figure.update_xaxes(title="million dollars per year", row=row, col=1)
        figure.update_yaxes(title="input", row=row, col=1)
    return figure.update_layout(
        barmode="overlay",
        width=WIDEST,
        height=150 + 32 * sum(heights) + 60 * len(panels),
        legend=BELOW | {"y": -0.12},
        margin={"l": 170, "t": 90},
        title="Tornado: one input at a time, 20 % smaller or larger",
    )


def curves_figure(
    x: Reals,
    curves: Mapping[str, Reals],
    *,
    title: str,
    x_title: str,
    y_title: str,
    level: tuple[float, str] | None = None,
    points: Mapping[str, tuple[Reals, Reals]] | None = None,
) -> go.Figure:
    """Draw curves over one axis, in several kinds of line, and a thin level to compare with.

    Points, by the name of the curve they belong to, are drawn in its colour.
    """
    figure = go.Figure()
    for n, (name, values) in enumerate(curves.items()):
        add_curve(figure, x, values, n, "lines", name=name)
        if points and name in points:
            add_curve(figure, *points[name], n, "markers", name=f"{name}, counted")
    if level is not None:
        thin = {"color": "#222", "width": 1, "dash": "solid"}
        add_curve(figure, x[[0, -1]], [level[0]] * 2, 0, "lines", name=level[1], line=thin)
    figure.update_xaxes(title=x_title)
    figure.update_yaxes(title=y_title)
    return figure.update_layout(title=title, width=820, height=420)
