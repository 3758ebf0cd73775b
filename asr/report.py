"""Pictures of a run."""

import json
from pathlib import Path

from asr import files
from asr.errors import InputError


def reliability(result: Path) -> Path | None:
    """Draw how often units of each confidence were right, from a result file, into `<result>-reliability.png`.

    Args:
        result: The JSON file that evaluation wrote.

    Returns:
        The picture; None where matplotlib is not installed or the result has no confidences.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        return None
    row = json.loads(result.read_text(encoding="utf-8"))
    if "reliability" not in row:
        return None
    bins = [i for i, count in enumerate(row["reliability"]["counts"]) if count]
    figure = Figure(figsize=(4.5, 5.5), layout="constrained")
    FigureCanvasAgg(figure)
    share, count = figure.subplots(2, sharex=True, height_ratios=[4, 1])
    share.plot([0, 1], [0, 1], color="gray", linestyle=":")
    share.plot(*([row["reliability"][key][i] for i in bins] for key in ("confidence", "right")), marker="o")
    share.set_ylabel("share that is right")
    share.set_title(f"{row['set']}: calibration error {100 * row['calibration_error']:.2f} %")
    count.bar([(i + 0.5) / 10 for i in bins], [row["reliability"]["counts"][i] for i in bins], width=0.09)
    count.set_yscale("log")
    count.set_xlabel("confidence")
    count.set_ylabel("units")
    picture = result.with_name(f"{result.stem}-reliability.png")
    with files.replacing(picture) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
    return picture


def curves(run: Path) -> Path | None:
    """Draw a run's loss, dev error rate and learning rate over its epochs into curves.png.

    Args:
        run: The folder that training wrote.

    Returns:
        The picture; None where matplotlib is not installed.

    Raises:
        InputError: The folder holds no epochs.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        return None
    try:
        lines = (run / "epochs.jsonl").read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError(f"{run / 'epochs.jsonl'}: cannot be read ({error.strerror}); train first") from error
    rows = [json.loads(line) for line in lines]
    epochs = [row["epoch"] for row in rows]
    figure = Figure(figsize=(8, 7), layout="constrained")
    FigureCanvasAgg(figure)
    loss, rate, schedule = figure.subplots(3, sharex=True, height_ratios=[3, 3, 2])
    loss.plot(epochs, [row["loss"] for row in rows], marker=".")
    loss.set_ylabel("training loss\n(nats per unit)")
    loss.set_yscale("log")
    rates = [100 * row["dev"]["rate"] for row in rows]
    best = min(range(len(rates)), key=rates.__getitem__)
    rate.plot(epochs, rates, marker=".", color="tab:orange")
    rate.annotate(f"{rates[best]:.2f} %", (epochs[best], rates[best]), (0, 12), textcoords="offset points", ha="center")
    rate.set_ylabel("dev error rate (%)")
    rate.set_ylim(bottom=0)
    schedule.plot(epochs, [row["learning_rate"] for row in rows], marker=".", color="tab:green")
    schedule.set_ylabel("learning rate")
    schedule.set_xlabel("epoch")
    schedule.xaxis.get_major_locator().set_params(integer=True)
    figure.suptitle(run.name)
    for axes in (loss, rate, schedule):
        axes.grid(alpha=0.3)
    with files.replacing(run / "curves.png") as temporary:
        figure.savefig(temporary, format="png", dpi=120)
    return run / "curves.png"
