"""Pictures of a run."""

import json
from pathlib import Path

from asr import files
from asr.errors import InputError


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
