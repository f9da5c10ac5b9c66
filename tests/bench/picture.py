"""The results as pictures: SVG with a white ground, and text as text. Needs matplotlib."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from tests.bench.panels import Bar, Group, Panel, bars, contests, panels
from tests.bench.results import Results

INK, GRID = "#1f2328", "#d0d7de"
OURS, DOCKER, OTHER = "#0969da", "#9a6700", "#8c959f"
COLOURS: Mapping[str, str] = {"aim": "#1a7f37", "ok": OURS, "OVER": "#cf222e"}
STYLE: Mapping[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "runner",
    "font.family": "sans-serif",
    "font.sans-serif": ["Helvetica", "Arial", "DejaVu Sans"],
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": GRID,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def draw_table(results: Results, path: Path) -> None:
    """Draw each row as a part of its limit, and below it all runners at the same work: what of it was measured."""
    rows, groups = bars(results.rows), contests(results.peers)
    heights = [0.9 + 0.3 * len(rows)] * bool(rows)
    heights += [1.1 + 0.24 * max(map(_size, groups), default=0)] * bool(groups)
    with mpl.rc_context(dict(STYLE)):
        figure = Figure(figsize=(9, max(1.0, sum(heights))), layout="constrained")
        parts = list(figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]) if heights else []
        if rows:
            _limits(parts[0].subplots(), rows)
        if groups:
            _contests(parts[-1], groups)
        _save(figure, path)


def draw_curves(results: Results, path: Path) -> None:
    """Draw what goes beyond the sleep: a panel for each length of a step and number of stages."""
    grid = panels(results.curves)
    with mpl.rc_context(dict(STYLE)):
        figure = Figure(figsize=(10, 0.6 + 2.5 * len(grid)), layout="constrained")
        figure.suptitle("Seconds beyond the sleep of the steps, by the number of steps (lower is better)", fontsize=10)
        width = max(map(len, grid), default=1)
        rows = figure.subplots(max(1, len(grid)), width, squeeze=False, sharey="row", sharex=True)
        for axes_row, row in zip(rows, grid, strict=False):
            for axes, panel in zip(axes_row, row, strict=True):
                _curve(axes, panel)
            axes_row[0].set_ylabel("seconds")
            axes_row[0].legend(frameon=False, loc="upper left")
        _save(figure, path)


def _limits(axes: Axes, rows: Sequence[Bar]) -> None:
    places = range(len(rows))
    axes.barh(places, [row.part for row in rows], height=0.55, color=[COLOURS[row.verdict] for row in rows])
    axes.plot([row.aim for row in rows], places, "|", color=INK, markersize=11, markeredgewidth=1.5)
    axes.axvline(1.0, color=INK, linewidth=1)
    for place, row in zip(places, rows, strict=True):
        axes.text(1.01, place, row.told, transform=axes.get_yaxis_transform(), va="center")
    axes.set_yticks(places, [row.title for row in rows])
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.set_xlim(0, max([1.05, *(row.part * 1.02 for row in rows)]))
    axes.set_xticks([0, 0.5, 1], ["0", "half", "limit"])
    axes.set_title("Parts of the limit (lower is better; the mark in each row is the aim)", fontsize=10, loc="left")


def _contests(part: SubFigure, groups: Sequence[Group]) -> None:
    part.suptitle("Other runners at the same work, seconds (lower is better)", fontsize=10)
    for axes, group in zip(part.subplots(1, len(groups), squeeze=False)[0], groups, strict=True):
        _contest(axes, group)


def _contest(axes: Axes, group: Group) -> None:
    places = range(len(group.names))
    colours = [{"runner": OURS, "docker run": DOCKER}.get(name, OTHER) for name in group.names]
    axes.barh(places, group.seconds, height=0.6, color=colours)
    for place, seconds, note in zip(places, group.seconds, group.notes, strict=True):
        axes.annotate(note, (seconds, place), xytext=(3, 0), textcoords="offset points", va="center", fontsize=8)
    axes.set_yticks(places, group.names)
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.set_xlim(0, max(group.seconds) * 1.7)
    axes.set_title(group.title, fontsize=9, loc="left")


def _curve(axes: Axes, panel: Panel) -> None:
    axes.plot(panel.steps, panel.docker, "o--", color=DOCKER, label="docker run", markersize=4)
    axes.plot(panel.steps, panel.ours, "o-", color=OURS, label="runner", markersize=4)
    axes.set_title(panel.title, fontsize=9)
    axes.set_xticks(panel.steps)
    axes.set_ylim(bottom=0, top=math.ceil(max(panel.top, 1)))
    axes.grid(axis="y", color=GRID, linewidth=0.6)


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, format="svg", facecolor="white", metadata={"Date": None, "Creator": None})


def _size(group: Group) -> int:
    return len(group.names)
