"""Pictures of a run; without matplotlib (the extra `plots`) there are none."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from asr import files
from asr.errors import InputError

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
    figure = _figure(8, 7)
    if figure is None:
        return None
    try:
        lines = (run / "epochs.jsonl").read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError(f"{run / 'epochs.jsonl'}: cannot be read ({error.strerror}); train first") from error
    rows = [json.loads(line) for line in lines]
    epochs = [row["epoch"] for row in rows]
    rates = [100 * row["dev"]["rate"] for row in rows]
    loss, rate, schedule = figure.subplots(3, sharex=True, height_ratios=[3, 3, 2])
    loss.plot(epochs, [row["loss"] for row in rows], marker=".")
    loss.set_ylabel("training loss\n(nats per unit)")
    loss.set_yscale("log")
    rate.plot(epochs, rates, marker=".", color="tab:orange")
    best = min(range(len(rates)), key=rates.__getitem__)
    rate.annotate(f"{rates[best]:.2f} %", (epochs[best], rates[best]), (0, 12), textcoords="offset points", ha="center")
    rate.set_ylabel("dev error rate (%)")
    rate.set_ylim(bottom=0)
    schedule.plot(epochs, [row["learning_rate"] for row in rows], marker=".", color="tab:green")
    schedule.set_ylabel("learning rate")
    schedule.set_xlabel("epoch")
    schedule.xaxis.get_major_locator().set_params(integer=True)
    for axes in (loss, rate, schedule):
        axes.grid(alpha=0.3)
    figure.suptitle(run.name)
    return _save(figure, run / "curves.png")


def reliability(result: Path) -> Path | None:
    """Draw how often what has each confidence was right, from a result file, into `<result>-reliability.png`.

    Args:
        result: The JSON file that evaluation wrote.

    Returns:
        The picture; None where matplotlib is not installed or the result has no confidences.
    """
    figure = _figure(4.5, 5.5)
    row = json.loads(result.read_text(encoding="utf-8"))
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
    return _save(figure, result.with_name(f"{result.stem}-reliability.png"))


def _figure(width: float, height: float) -> "Figure | None":
    """Return an empty figure of so many inches that no window will ever show; None without matplotlib."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        return None
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _save(figure: "Figure", path: Path) -> Path:
    with files.replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
    return path
