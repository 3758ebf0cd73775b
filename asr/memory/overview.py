"""The results of the experiments: tables, as JSON, Markdown and one self-contained page with pictures."""

import json
import time
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

from asr.evaluation import provenance
from asr.memory import EXPERIMENTS, trials
from asr.memory.experiment import TableRow, Trial
from asr.memory.intervals import wilson
from asr.report import page, plots
from asr.support import files

DIGITS = 4
NOT_RUN = "not run"
COLUMNS = ("case", "published", "ours", "solved", "remark", "CPU time of a trial")
Shown = dict[str, str]  # a row of a table, by column
Results = Mapping[str, Any]


def write(out: Path) -> Path | None:
    """Write `memory.json`, `memory.md` and `memory.html` of all stored trials of a folder, and return the page.

    Returns:
        The page; None if the extra `plots` is not installed.

    Raises:
        AsrError: A file cannot be read or written.
    """
    found = {name: rounded(some) for name in EXPERIMENTS if (some := trials.collected(out, name))}
    summary = results(found)
    files.write_text(out / "memory.json", json.dumps(summary, ensure_ascii=False) + "\n")
    files.write_text(out / "memory.md", markdown(summary))
    if plots.new(1, 1) is None:
        return None
    for name in found:
        if EXPERIMENTS[name].caption:
            (out / f"memory-{name}.png").write_bytes(b64decode(_picture(name, found[name])))
    files.write_text(out / "memory.html", _page(summary, found))
    return out / "memory.html"


def rounded(found: list[Trial]) -> list[Trial]:
    """Return trials with what was observed in `DIGITS` digits, which is what tables and pictures are made of."""
    return [replace(trial, observed=_rounded(trial.observed)) for trial in found]


def _rounded(value: Any) -> Any:  # noqa: ANN401 (whatever JSON can write)
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def results(found: Mapping[str, list[Trial]]) -> Results:
    """Return the tables of some experiments' trials, with all trials and their provenance, as JSON can write them.

    Args:
        found: The trials of each experiment, at least one.
    """
    return {
        "command": provenance.command(),
        "commit": provenance.commit(),
        "date": time.strftime("%Y-%m-%d"),
        "machine": provenance.machine("cpu"),
        "experiments": {name: _experiment(name, some) for name, some in found.items()},
    }


def _experiment(name: str, found: list[Trial]) -> dict[str, Any]:
    experiment = EXPERIMENTS[name]
    return {
        "title": experiment.title,
        "claim": experiment.claim,
        "source": experiment.source,
        "caption": experiment.caption,
        "seconds": round(sum(trial.seconds for trial in found), 1),
        "rows": [shown(row) for row in rows(name, found)],
        "trials": [
            {"case": trial.case.name, "seed": trial.seed, "seconds": trial.seconds, "observed": trial.observed}
            for trial in found
        ],
    }


def rows(name: str, found: list[Trial]) -> list[TableRow]:
    """Return an experiment's table: its summary of the trials, and the cases of the full form that were not run."""
    experiment, run = EXPERIMENTS[name], {trial.case.name for trial in found}
    missing = [case for case in experiment.cases if case.full and case.name not in run]
    absent = [TableRow(case.name, NOT_RUN, case.published) for case in missing]
    return [*(replace(row, seconds=_seconds(row, found)) for row in experiment.summary(found)), *absent]


def _seconds(row: TableRow, found: list[Trial]) -> float:
    """Return the mean time of the trials of a row, whose name is that of its case, or begins with it."""
    name = max((trial.case.name for trial in found if row.case.startswith(trial.case.name)), key=len)
    times = [trial.seconds for trial in found if trial.case.name == name]
    return sum(times) / len(times)


def shown(row: TableRow) -> Shown:
    """Return a row as the tables show it, with the interval of its rate."""
    solved = ""
    if row.solved is not None and row.trials:
        low, high = wilson(row.solved, row.trials)
        solved = f"{row.solved} of {row.trials} [{100 * low:.0f}–{100 * high:.0f} %]"
    time_taken = "" if row.seconds is None else _minutes(row.seconds)
    return dict(zip(COLUMNS, (row.case, row.published, row.ours, solved, row.remark, time_taken), strict=True))


def markdown(summary: Results) -> str:
    """Return the tables in Markdown.

    Args:
        summary: What `results` returned, or the JSON that it became.
    """
    lines = [
        "# What recurrent networks remember",
        "",
        f"Written by `{summary['command']}` from all stored trials, at {summary['commit']}, {summary['date']},",
        f"{summary['machine']}; times are processor time. *Solved* counts the trials that met the source's criterion,",
        "with Wilson's 95 % interval.",
    ]
    for name, one in summary["experiments"].items():
        lines += ["", f"## {one['title']} (`asr memory {name}`, {_minutes(one['seconds'])})", ""]
        lines += [f"{one['claim']} {one['source']}", ""]
        if one["caption"]:
            lines += [f"![{one['title']}](memory-{name}.png)", "", f"*{one['caption']}*", ""]
        used = [column for column in COLUMNS if any(row[column] for row in one["rows"])]
        lines += [_line(used), _line(["---"] * len(used))]
        lines += [_line([row[column] for column in used]) for row in one["rows"]]
    return "\n".join(lines) + "\n"


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f} min" if seconds >= 60 else f"{seconds:.1f} s"


def _page(summary: Results, found: Mapping[str, list[Trial]]) -> str:
    from markupsafe import Markup

    environment = page.templates()
    sections = [
        one
        | {
            "name": name,
            "time": _minutes(one["seconds"]),
            "columns": [column for column in COLUMNS if any(row[column] for row in one["rows"])],
            "picture": _picture(name, found[name]),
        }
        for name, one in summary["experiments"].items()
    ]
    style = Markup(environment.get_template("style.css").render())
    return environment.get_template("memory.html").render(
        summary=summary, sections=sections, style=style, policy=page.policy()
    )


def _picture(name: str, found: list[Trial]) -> str:
    """Return an experiment's picture as the base64 of a PNG."""
    experiment = EXPERIMENTS[name]
    figure = plots.new(*experiment.size)
    assert figure is not None  # `write` has asked
    experiment.picture(figure.subplots(), found)
    content = BytesIO()
    figure.savefig(content, format="png", dpi=plots.DPI)
    return b64encode(content.getvalue()).decode()
