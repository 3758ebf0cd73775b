"""Small charts laid out in pixels: the page draws them as SVG, asr/report/plots.py as PNG."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite, log, log1p
from typing import Any

from asr.evaluation.records import Row

WIDTH, HEIGHT = 340.0, 200.0  # pixels
LEFT, RIGHT, TOP, BOTTOM = 44.0, 10.0, 12.0, 30.0  # margins around the plot, pixels


@dataclass(frozen=True)
class Dot:
    """A point of a line.

    Attributes:
        x: Pixels from the left.
        y: Pixels from the top.
        title: Tooltip.
    """

    x: float
    y: float
    title: str


@dataclass(frozen=True)
class Line:
    """A line of a chart; its number, starting at 0, selects the style."""

    name: str
    number: int
    dots: tuple[Dot, ...]

    @property
    def points(self) -> str:
        """The line as SVG's `points`."""
        return " ".join(f"{dot.x:.1f},{dot.y:.1f}" for dot in self.dots)


@dataclass(frozen=True)
class Chart:
    """A chart.

    Attributes:
        title: What it shows, with its unit.
        summary: The same in a sentence, for screen readers.
        lines: At least one.
        across: Ticks of the horizontal axis: pixel and label.
        up: Ticks of the vertical axis: pixel and label.
        label: Label of the horizontal axis.
        bars: Left, width, height and tooltip of bars on the horizontal axis.
        diagonal: Draw the line y = x.
    """

    title: str
    summary: str
    lines: tuple[Line, ...]
    across: tuple[tuple[float, str], ...]
    up: tuple[tuple[float, str], ...]
    label: str
    bars: tuple[tuple[float, float, float, str], ...] = ()
    diagonal: bool = False


@dataclass(frozen=True)
class Axis:
    """Maps values to pixels."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        """Return a value's pixel."""
        low, high, value = (
            (log(v) for v in (self.low, self.high, value)) if self.logarithmic else (self.low, self.high, value)
        )
        return self.start + (value - low) / (high - low or 1) * (self.end - self.start)

    def ticks(self, most: int) -> list[float]:
        """Return at most about `most` round values within the axis."""
        from matplotlib.ticker import LogLocator, MaxNLocator

        locator = LogLocator(subs=(1, 2, 5)) if self.logarithmic else MaxNLocator(most, steps=[1, 2, 2.5, 5, 10])
        candidates = [float(tick) for tick in locator.tick_values(self.low, self.high)]
        inside = [tick for tick in candidates if self.low * 0.999 <= tick <= self.high * 1.001]
        return inside[:: max(1, -(-len(inside) // (most + 1)))]


# Title, (name, key in epochs.jsonl) of each line, factor, logarithmic?
_CURVES: tuple[tuple[str, tuple[tuple[str, str], ...], float, bool], ...] = (
    ("loss, nats per unit", (("training", "loss"), ("dev", "dev_loss")), 1, True),
    ("{metric} on dev, %", (("dev", "dev.rate"),), 100, False),
    ("learning rate", (("learning rate", "learning_rate"),), 1, False),
    ("gradient norm before clipping", (("mean", "gradient_norm"), ("largest", "gradient_norm_max")), 1, True),
    ("dev frames that are blank, %", (("dev", "blank"),), 100, False),
    ("thousand frames per second", (("training", "frames_per_second"),), 1e-3, False),
)


def curves(epochs: Sequence[Row], metric: str = "error rate") -> list[Chart]:
    """Return the learning curves: a chart for each quantity that the rows of epochs.jsonl contain.

    Args:
        epochs: The rows.
        metric: What the error rate on dev is called.
    """
    charts = []
    for title, names, factor, logarithmic in _CURVES:
        series = {name: values for name, key in names if (values := column(epochs, key, factor))}
        if series:
            charts.append(_curve(title.format(metric=metric), series, logarithmic))
    return charts


def column(rows: Iterable[Row], key: str, factor: float = 1) -> list[tuple[float, float]]:
    """Return (epoch, value) of the rows that contain a finite value."""
    points = []
    for row in rows:
        value: Any = row
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if isinstance(value, int | float) and isfinite(value):
            points.append((float(row["epoch"]), factor * value))
    return points


def _curve(title: str, series: Mapping[str, Sequence[tuple[float, float]]], logarithmic: bool) -> Chart:
    epochs = [x for points in series.values() for x, _ in points]
    values = [y for points in series.values() for _, y in points]
    logarithmic = logarithmic and min(values) > 0
    across = Axis(min(epochs), max(epochs), LEFT, WIDTH - RIGHT)
    up = Axis(min(values) if logarithmic else min(0.0, *values), max(values), HEIGHT - BOTTOM, TOP, logarithmic)
    lines = tuple(
        Line(name, number, tuple(Dot(across(x), up(y), f"epoch {x:g}, {name}: {y:.4g}") for x, y in points))
        for number, (name, points) in enumerate(series.items())
    )
    first, last = (next(iter(series.values()))[index][1] for index in (0, -1))
    summary = f"{title}: {first:.3g} after the first epoch, {last:.3g} after the last, lowest {min(values):.3g}"
    whole = [tick for tick in across.ticks(6) if tick == int(tick)]
    return Chart(title, summary, lines, _labelled(across, whole), _labelled(up, up.ticks(4)), "epoch")


def reliability(row: Row) -> Chart | None:
    """Return a result's reliability diagram: accuracy by confidence; None for a result without confidences."""
    if "reliability" not in row:
        return None
    measured = row["reliability"]
    across, up = Axis(0, 1, LEFT, WIDTH - RIGHT), Axis(0, 1, HEIGHT - BOTTOM, TOP)
    bins = [
        (confidence, right, count)
        for confidence, right, count in zip(measured["confidence"], measured["right"], measured["counts"], strict=True)
        if count
    ]
    dots = tuple(
        Dot(across(confidence), up(right), f"confidence {confidence:.2f}: {100 * right:.1f} % of {count} correct")
        for confidence, right, count in bins
    )
    ticks = [0, 0.25, 0.5, 0.75, 1]
    return Chart(
        "accuracy by confidence",
        f"calibration error {100 * row['calibration_error']:.2f} % over {sum(measured['counts'])} symbols",
        (Line("accuracy", 0, dots),),
        _labelled(across, ticks),
        _labelled(up, ticks),
        "confidence",
        _bars(measured["counts"], across),
        diagonal=True,
    )


def _bars(counts: Sequence[int], across: Axis) -> tuple[tuple[float, float, float, str], ...]:
    """Return a histogram of the confidences on a logarithmic scale, at most a quarter of the plot high."""
    edges = [across(index / len(counts)) for index in range(len(counts) + 1)]
    full = (HEIGHT - TOP - BOTTOM) / 4 / log1p(max(1, *counts))
    return tuple(
        (left + 1, right - left - 2, full * log1p(count), f"{count} symbols")
        for (left, right), count in zip(pairwise(edges), counts, strict=True)
    )


def _labelled(axis: Axis, ticks: Iterable[float]) -> tuple[tuple[float, str], ...]:
    return tuple((axis(tick), f"{tick:g}") for tick in ticks)
