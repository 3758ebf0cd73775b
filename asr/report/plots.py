"""Pictures as PNG, by matplotlib (the extra `plots`): the page's charts and panels, and the confusion matrix."""

from base64 import b64decode
from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from asr.errors import AsrError, InputError
from asr.evaluation import results
from asr.report import charts, confusions, evaluated
from asr.report.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Chart
from asr.report.picture import KINDS, Picture
from asr.support import files

SUFFIX = ".utterances.jsonl"
TITLE = 24.0  # pixels above a chart, for its title
DPI = 108.0  # 1.5 pixels for each of the page, which is 1/72 inch
PALETTE = 64  # colors of a panel: a third of the bytes of all of them
COLORS = {  # those of template/style.css on light paper
    "": "#1d1c1a", "word": "#605c56", "other": "#605c56", "quiet": "#605c56",
    "muted": "#605c56", "line": "#e2ded7", "accent": "#0b6b66",
    "s": "#a84300", "d": "#0a58a8", "i": "#8b2f86",
}  # fmt: skip
BANDS: dict[str, dict[str, Any]] = {
    "s": {"alpha": 0.16, "linewidth": 0},
    "d": {"alpha": 0.3, "linewidth": 1.0, "hatch": "////", "fill": False},
    "i": {"linewidth": 1.5, "linestyle": (0, (2, 3)), "fill": False},
}

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def curves(run: Path) -> Path | None:
    """Draw a run's learning curves into curves.png.

    Args:
        run: The folder that training wrote.

    Returns:
        The PNG; None if matplotlib is not installed.

    Raises:
        InputError: The folder has no epochs.jsonl, or it is empty or cannot be read.
    """
    rows = results.epochs(run)
    if not rows:
        raise InputError(f"{run / results.EPOCHS}: missing or empty; train first")
    if new(1, 1) is None:
        return None
    return _charts(charts.curves(rows), run / "curves.png", columns=3)


def reliability(result: Path) -> Path | None:
    """Draw a result's reliability diagram into `<result>-reliability.png`.

    Args:
        result: The JSON file that evaluation wrote.

    Returns:
        The PNG; None if matplotlib is not installed or the result has no confidences.

    Raises:
        InputError: The result cannot be read.
    """
    row = results.read(result)
    if new(1, 1) is None or (chart := charts.reliability(row)) is None:
        return None
    chart = replace(chart, title=f"{chart.title} on {row['set']}, ECE {100 * row['calibration_error']:.2f} %")
    return _charts([chart], result.with_name(f"{result.stem}-reliability.png"))


def confusion_matrix(run: Path, name: str) -> Path | None:
    """Draw a set's confusion matrix, rows normalized, into `<name>-confusions.png`.

    Args:
        run: The folder of the result.
        name: The set's name.

    Returns:
        The PNG; None if matplotlib is not installed.

    Raises:
        InputError: The set was not evaluated.
    """
    evaluation = evaluated.read(run, name)
    figure = new(9, 8.5)
    if figure is None:
        return None
    counted = confusions.count(evaluation.alignments.values())
    axes = figure.subplots()
    image = axes.imshow(counted.shares**0.5, cmap="Greys", vmin=0, vmax=1)
    symbols = [confusions.shown(symbol) for symbol in counted.symbols]
    axes.set_xticks(range(len(symbols) + 1), [*symbols, "del"], rotation=90, fontsize=8)
    axes.set_yticks(range(len(symbols) + 1), [*symbols, "ins"], fontsize=8)
    axes.xaxis.tick_top()
    axes.set_xlabel("hypothesis")
    axes.set_ylabel("reference")
    rate = evaluation.by_units
    axes.set_title(f"{evaluation.run} on {name}: {rate['metric']} {100 * rate['rate']:.2f} %")
    bar = figure.colorbar(image, ax=axes, shrink=0.6, ticks=[0, 0.1**0.5, 0.5, 0.5**0.5, 1], label="share of the row")
    bar.ax.set_yticklabels(["0", "0.1", "0.25", "0.5", "1"])
    return save(figure, run / f"{name}-confusions.png")


def run(folder: Path, names: Sequence[str] = ()) -> list[Path]:
    """Draw everything that a run's folder contains, and return the PNGs.

    Args:
        folder: The run.
        names: Evaluated sets; default: all of them.

    Raises:
        AsrError: matplotlib is not installed, or there is nothing to draw.
    """
    names = names or sorted(path.name.removesuffix(SUFFIX) for path in folder.glob(f"*{SUFFIX}"))
    drawn = [curves(folder)] if results.epochs(folder) else []
    for name in names:
        drawn += [confusion_matrix(folder, name), reliability(folder / f"{name}.json")]
    pictures = [picture for picture in drawn if picture]
    if not pictures:
        need()
        raise InputError(f"{folder}: contains neither epochs nor results; pass the folder of a run")
    return pictures


def panel(picture: Picture, path: Path) -> Path:
    """Draw an utterance's panel as the page shows it, and return the PNG.

    Args:
        picture: The panel, as `asr.report.picture.draw` returns it.
        path: The PNG.

    Raises:
        AsrError: The PNG cannot be written.
    """
    from matplotlib.patches import Rectangle
    from PIL import Image

    figure, canvas = _canvas(picture.width, picture.height)
    (top, height), (plot, tall) = picture.spectrum, picture.plot
    left, right, middle, bottom = picture.left, picture.width - 8, top + height, plot + tall
    with Image.open(BytesIO(b64decode(picture.ink.partition(",")[2]))) as ink:
        canvas.imshow(ink.convert("RGBA"), extent=(left, right, middle, top), aspect="auto")
    for band in picture.bands:
        color = COLORS[band.kind]
        canvas.add_patch(Rectangle((band.x, top), band.width, bottom - top, color=color, **BANDS[band.kind]))
        _text(canvas, band.x + band.width / 2, top + 11, band.kind.upper(), color, weight="bold")
    canvas.vlines(picture.boundaries, top, bottom, color=COLORS["muted"], alpha=0.35, linewidth=1.0)
    canvas.hlines([plot, bottom], left, right, color=COLORS["line"], linewidth=1.0)
    for curve in picture.curves:
        xs, ys = _columns(curve.points)
        if curve.recognized:
            canvas.fill(xs, ys, facecolor=f"{COLORS['accent']}47", edgecolor=COLORS["accent"], linewidth=1.5)
        else:
            canvas.plot(xs, ys, color=COLORS["muted"], linewidth=1.0, linestyle=(0, (3, 2)))
    canvas.plot(*_columns(picture.blank), color=COLORS["muted"], linewidth=1.0, linestyle=(0, (1, 3)))
    for y, label in [(top + 9, f"{picture.nyquist:g} kHz"), (middle, "0"), (plot + 5, "100 %"), (bottom, "0")]:
        _text(canvas, left - 5, y, label, COLORS["muted"], align="right")
    for x, label in picture.seconds:
        _text(canvas, x, bottom + 16, f"{label} s" if (x, label) == picture.seconds[-1] else label, COLORS["muted"])
    for item in picture.labels:
        weight = "bold" if item.kind in KINDS else "normal"
        _text(canvas, item.x, item.y, confusions.shown(item.text), COLORS[item.kind], weight=weight)
    drawn = BytesIO()
    figure.savefig(drawn, format="png", dpi=DPI)
    with Image.open(drawn) as image, files.replacing(path) as temporary:
        image.convert("RGB").quantize(PALETTE, Image.Quantize.FASTOCTREE).save(temporary, "PNG", optimize=True)
    return path


def _charts(drawn: Sequence[Chart], path: Path, columns: int = 1) -> Path:
    rows = -(-len(drawn) // columns)
    figure, canvas = _canvas(min(len(drawn), columns) * WIDTH, rows * (HEIGHT + TITLE))
    for index, chart in enumerate(drawn):
        _chart(canvas, chart, index % columns * WIDTH, index // columns * (HEIGHT + TITLE) + TITLE)
    return save(figure, path)


def _chart(canvas: "Axes", chart: Chart, left: float, top: float) -> None:
    from matplotlib.patches import Rectangle

    bottom, right, start = top + HEIGHT - BOTTOM, left + WIDTH - RIGHT, left + LEFT
    muted = COLORS["muted"]
    _text(canvas, start, top - 6, chart.title, align="left")
    for pixel, tick in chart.up:
        canvas.hlines(top + pixel, start, right, color=COLORS["line"], linewidth=1.0)
        _text(canvas, start - 6, top + pixel + 4, tick, muted, align="right")
    for pixel, tick in chart.across:
        _text(canvas, left + pixel, bottom + 15, tick, muted)
    _text(canvas, (start + right) / 2, bottom + 28, chart.label, muted)
    for pixel, width, height, _ in chart.bars:
        canvas.add_patch(Rectangle((left + pixel, bottom - height), width, height, color=COLORS["line"]))
    if chart.diagonal:
        canvas.plot([start, right], [bottom, top + TOP], color=muted, linestyle=":", linewidth=1.0)
    for line in chart.lines:
        color, dashes = (muted, "--") if line.number else (COLORS["accent"], "-")
        x, y = [left + dot.x for dot in line.dots], [top + dot.y for dot in line.dots]
        canvas.plot(x, y, color=color, linestyle=dashes, marker=".", linewidth=2, markersize=6)
        if len(chart.lines) > 1:
            _text(canvas, x[-1], y[-1] - 6, line.name, color, align="right")


def _columns(points: str) -> tuple[list[float], list[float]]:
    """Return the x and y of SVG's `points`."""
    pairs = [point.split(",") for point in points.split()]
    return [float(x) for x, _ in pairs], [float(y) for _, y in pairs]


def _text(
    canvas: "Axes",
    x: float,
    y: float,
    text: str,
    color: str = COLORS[""],
    align: Literal["left", "center", "right"] = "center",
    weight: str = "normal",
) -> None:
    from matplotlib.patheffects import withStroke

    outline = [withStroke(linewidth=3, foreground="white")]  # so that lines do not cross letters
    canvas.text(x, y, text, color=color, ha=align, weight=weight, fontsize=11, parse_math=False, path_effects=outline)


def _canvas(width: float, height: float) -> "tuple[Figure, Axes]":
    """Return an empty figure of so many pixels and axes whose units are its pixels, (0, 0) at the top left."""
    figure = new(width / 72, height / 72)
    assert figure is not None  # the callers have checked
    figure.set_layout_engine("none")
    canvas = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0), autoscale_on=False)
    canvas.axis("off")
    return figure, canvas


def need() -> None:
    """Raise an error if matplotlib is not installed.

    Raises:
        AsrError: It is not.
    """
    if new(1, 1) is None:
        raise AsrError('pictures need matplotlib; install it with `pip install "asr[plots]"`')


def new(width: float, height: float) -> "Figure | None":
    """Return an empty figure of this size in inches that opens no window; None without matplotlib."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        return None
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure: "Figure", path: Path) -> Path:
    """Write a figure as PNG, atomically, and return its path."""
    with files.replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=DPI)
    return path
