"""Pictures of a run as PNG; without matplotlib (the extra `plots`) there are none."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from asr.errors import AsrError, InputError
from asr.evaluation import results
from asr.evaluation.results import Row
from asr.report import charts, confusions, evaluated
from asr.support import files

SUFFIX = ".utterances.jsonl"

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def curves(run: Path) -> Path | None:
    """Draw a run's loss, dev error rate and learning rate over its epochs into curves.png.

    Args:
        run: The folder that training wrote.

    Returns:
        The picture; None where matplotlib is not installed.

    Raises:
        InputError: The folder holds no epochs.
    """
    figure = new(8, 7)
    if figure is None:
        return None
    rows = results.epochs(run)
    if not rows:
        raise InputError(f"{run / results.EPOCHS}: no such file, or it is empty; train first")
    loss, rate, schedule = figure.subplots(3, sharex=True, height_ratios=[3, 3, 2])
    for name, key, style in (("training", "loss", "-"), ("dev", "dev_loss", "--")):
        loss.plot(*_across(rows, key), marker=".", linestyle=style, label=name)
    loss.legend()
    loss.set_ylabel("loss\n(nats per unit)")
    loss.set_yscale("log")
    epochs, rates = _across(rows, "dev.rate", 100)
    rate.plot(epochs, rates, marker=".", color="tab:orange")
    if rates:
        best = (epochs[rates.index(min(rates))], min(rates))
        rate.annotate(f"{min(rates):.2f} %", best, (0, 12), textcoords="offset points", ha="center")
    rate.set_ylabel("dev error rate (%)")
    rate.set_ylim(bottom=0)
    schedule.plot(*_across(rows, "learning_rate"), marker=".", color="tab:green")
    schedule.set_ylabel("learning rate")
    schedule.set_xlabel("epoch")
    schedule.xaxis.get_major_locator().set_params(integer=True)
    for axes in (loss, rate, schedule):
        axes.grid(alpha=0.3)
    figure.suptitle(run.name)
    return save(figure, run / "curves.png")


def _across(rows: Sequence[Row], key: str, factor: float = 1) -> tuple[list[float], list[float]]:
    """Return epochs and values, where there are values."""
    points = charts.column(rows, key, factor)
    return [epoch for epoch, _ in points], [value for _, value in points]


def reliability(result: Path) -> Path | None:
    """Draw how often what has each confidence was right, from a result file, into `<result>-reliability.png`.

    Args:
        result: The JSON file that evaluation wrote.

    Returns:
        The picture; None where matplotlib is not installed or the result has no confidences.

    Raises:
        InputError: It cannot be read.
    """
    figure = new(4.5, 5.5)
    row = results.read(result)
    if figure is None or "reliability" not in row:
        return None
    found = row["reliability"]
    bins = [i for i, count in enumerate(found["counts"]) if count]
    share, count = figure.subplots(2, sharex=True, height_ratios=[4, 1])
    share.plot([0, 1], [0, 1], color="gray", linestyle=":")
    share.plot(*([found[key][i] for i in bins] for key in ("confidence", "right")), marker="o")
    share.set_ylabel("share that is right")
    share.set_title(f"{row['set']} {row['metric']}: calibration error {100 * row['calibration_error']:.2f} %")
    count.bar([(i + 0.5) / len(found["counts"]) for i in bins], [found["counts"][i] for i in bins], width=0.09)
    count.set_yscale("log")
    count.set_xlabel("confidence")
    count.set_ylabel("how many")
    return save(figure, result.with_name(f"{result.stem}-reliability.png"))


def confusion_matrix(run: Path, name: str) -> Path | None:
    """Draw which phone was heard as which in a set, rows normalised, into `<name>-confusions.png`.

    Args:
        run: The folder of the result.
        name: The set's.

    Returns:
        The picture; None where matplotlib is not installed.

    Raises:
        InputError: The set was not evaluated.
    """
    found = evaluated.read(run, name)
    figure = new(9, 8.5)
    if figure is None:
        return None
    counted = confusions.count(found.alignments.values())
    axes = figure.subplots()
    image = axes.imshow(counted.shares**0.5, cmap="Greys", vmin=0, vmax=1)
    symbols = [confusions.shown(symbol) for symbol in counted.symbols]
    axes.set_xticks(range(len(symbols) + 1), [*symbols, "del"], rotation=90, fontsize=8)
    axes.set_yticks(range(len(symbols) + 1), [*symbols, "ins"], fontsize=8)
    axes.xaxis.tick_top()
    axes.set_xlabel("heard")
    axes.set_ylabel("said")
    axes.set_title(f"{found.run} on {name}: {found.by_units['metric']} {100 * found.by_units['rate']:.2f} %")
    bar = figure.colorbar(image, ax=axes, shrink=0.6, ticks=[0, 0.1**0.5, 0.5, 0.5**0.5, 1], label="share of the row")
    bar.ax.set_yticklabels(["0", "0.1", "0.25", "0.5", "1"])
    return save(figure, run / f"{name}-confusions.png")


def run(folder: Path, names: Sequence[str] = ()) -> list[Path]:
    """Draw everything that a run's folder holds, and return the pictures.

    Args:
        folder: The run's.
        names: Sets that were scored; all of them when left out.

    Raises:
        AsrError: matplotlib is not installed, or there is nothing to draw.
    """
    names = names or sorted(path.name.removesuffix(SUFFIX) for path in folder.glob(f"*{SUFFIX}"))
    drawn = [curves(folder)] if results.epochs(folder) else []
    for name in names:
        drawn += [confusion_matrix(folder, name), reliability(folder / f"{name}.json")]
    found = [picture for picture in drawn if picture]
    if not found:
        need()
        raise InputError(f"{folder}: holds neither epochs nor results; give the folder of a run")
    return found


def need() -> None:
    """Refuse to go on without matplotlib.

    Raises:
        AsrError: It is not installed.
    """
    if new(1, 1) is None:
        raise AsrError('pictures: need matplotlib; `pip install "asr[plots]"` brings it')


def new(width: float, height: float) -> "Figure | None":
    """Return an empty figure of so many inches that no window will ever show; None without matplotlib."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        return None
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure: "Figure", path: Path) -> Path:
    """Write a figure as PNG, whole or not at all, and return where."""
    with files.replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
    return path
