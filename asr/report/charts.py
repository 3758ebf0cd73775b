"""Small charts: numbers in, the places of lines, dots and ticks out; the page draws them as SVG."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite, log, log1p
from typing import Any

from asr.evaluation.results import Row
from asr.report.evaluated import Results

WIDTH, HEIGHT = 340.0, 200.0  # of a chart, pixels
LEFT, RIGHT, TOP, BOTTOM = 44.0, 10.0, 12.0, 30.0  # of it, around the plot


@dataclass(frozen=True)
class Dot:
    """A point of a line.

    Attributes:
        x: Pixels from the left.
        y: Pixels from the top.
        title: What it says when one points at it.
    """

    x: float
    y: float
    title: str


@dataclass(frozen=True)
class Line:
    """A line of a chart; its number, from 0, decides how it is drawn."""

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
        summary: The same in a sentence, for those who do not see it.
        lines: One at least.
        across: Ticks of the horizontal axis: place and label.
        up: Ticks of the vertical one.
        label: Of the horizontal axis.
        bars: Left, width, height and title of bars that stand on the axis.
        diagonal: Whether a line of equality is drawn.
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
    """From values to pixels."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        """Return the pixel of a value."""
        low, high, value = (
            (log(v) for v in (self.low, self.high, value)) if self.logarithmic else (self.low, self.high, value)
        )
        return self.start + (value - low) / (high - low or 1) * (self.end - self.start)

    def ticks(self, most: int) -> list[float]:
        """Return round values on it."""
        from matplotlib.ticker import LogLocator, MaxNLocator

        locator = LogLocator(subs=(1, 2, 5)) if self.logarithmic else MaxNLocator(most, steps=[1, 2, 2.5, 5, 10])
        found = [float(tick) for tick in locator.tick_values(self.low, self.high)]
        return _thinned([tick for tick in found if self.low * 0.999 <= tick <= self.high * 1.001], most)


def _thinned(ticks: list[float], most: int) -> list[float]:
    return ticks[:: -(-len(ticks) // (most + 1))] if ticks else ticks


# Column → title, names of the lines, key of each, factor, logarithmic?
_CURVES: tuple[tuple[str, tuple[tuple[str, str], ...], float, bool], ...] = (
    ("loss, nats per unit", (("training", "loss"), ("dev", "dev_loss")), 1, True),
    ("{metric} on dev, %", (("dev", "dev.rate"),), 100, False),
    ("learning rate", (("learning rate", "learning_rate"),), 1, False),
    ("gradient norm before clipping", (("mean", "gradient_norm"), ("largest", "gradient_norm_max")), 1, True),
    ("dev frames that are blank, %", (("dev", "blank"),), 100, False),
    ("thousand frames per second", (("training", "frames_per_second"),), 1e-3, False),
)


def curves(results: Results) -> list[Chart]:
    """Return what training said epoch by epoch; a chart for each column that its rows hold."""
    found = []
    for title, names, factor, logarithmic in _CURVES:
        series = {name: values for name, key in names if (values := column(results.epochs, key, factor))}
        if series:
            found.append(_curve(title.format(metric=results.by_units["metric"]), series, logarithmic))
    return found


def column(rows: Iterable[Row], key: str, factor: float = 1) -> list[tuple[float, float]]:
    """Return (epoch, value) where a row holds one that can be drawn."""
    found = []
    for row in rows:
        value: Any = row
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if isinstance(value, int | float) and isfinite(value):
            found.append((float(row["epoch"]), factor * value))
    return found


def _curve(title: str, series: Mapping[str, Sequence[tuple[float, float]]], logarithmic: bool) -> Chart:
    places = [x for points in series.values() for x, _ in points]
    values = [y for points in series.values() for _, y in points]
    logarithmic = logarithmic and min(values) > 0
    across = Axis(min(places), max(places), LEFT, WIDTH - RIGHT)
    up = Axis(min(values) if logarithmic else min(0.0, *values), max(values), HEIGHT - BOTTOM, TOP, logarithmic)
    lines = tuple(
        Line(name, number, tuple(Dot(across(x), up(y), f"epoch {x:g}, {name}: {y:.4g}") for x, y in points))
        for number, (name, points) in enumerate(series.items())
    )
    first, last = (next(iter(series.values()))[place][1] for place in (0, -1))
    summary = f"{title}: {first:.3g} after the first epoch, {last:.3g} after the last, {min(values):.3g} at the lowest"
    whole = [tick for tick in across.ticks(6) if tick == int(tick)]
    return Chart(title, summary, lines, _labelled(across, whole), _labelled(up, up.ticks(4)), "epoch")


def reliability(row: Row) -> Chart | None:
    """Return how often what has each confidence was right, from a result; None where it has no confidences."""
    if "reliability" not in row:
        return None
    found = row["reliability"]
    across, up = Axis(0, 1, LEFT, WIDTH - RIGHT), Axis(0, 1, HEIGHT - BOTTOM, TOP)
    bins = [
        (confidence, right, count)
        for confidence, right, count in zip(found["confidence"], found["right"], found["counts"], strict=True)
        if count
    ]
    dots = tuple(
        Dot(across(confidence), up(right), f"confidence {confidence:.2f}: {100 * right:.1f} % right of {count}")
        for confidence, right, count in bins
    )
    ticks = [0, 0.25, 0.5, 0.75, 1]
    return Chart(
        "share that is right, by confidence",
        f"calibration error {100 * row['calibration_error']:.2f} % over {sum(found['counts'])} symbols",
        (Line("right", 0, dots),),
        _labelled(across, ticks),
        _labelled(up, ticks),
        "confidence",
        _bars(found["counts"], across),
        diagonal=True,
    )


def _bars(counts: Sequence[int], across: Axis) -> tuple[tuple[float, float, float, str], ...]:
    """Return how many there are of each confidence, as bars at most a quarter of the plot high, logarithmic."""
    edges = [across(place / len(counts)) for place in range(len(counts) + 1)]
    full = (HEIGHT - TOP - BOTTOM) / 4 / log1p(max(1, *counts))
    return tuple(
        (left + 1, right - left - 2, full * log1p(count), f"{count} symbols")
        for (left, right), count in zip(pairwise(edges), counts, strict=True)
    )


def _labelled(axis: Axis, ticks: Iterable[float]) -> tuple[tuple[float, str], ...]:
    return tuple((axis(tick), f"{tick:g}") for tick in ticks)
