"""The report: a single self-contained HTML file."""

from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from itertools import groupby
from math import sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asr import bundle, config
from asr.config import Recipe
from asr.errors import AsrError
from asr.evaluation import results
from asr.evaluation.records import Row
from asr.evaluation.results import remark
from asr.report import charts, confusions, evaluated, groups, plots
from asr.report.confusions import CLASS, Confusions, Symbol
from asr.report.evaluated import EvaluatedRun
from asr.scoring import conventions
from asr.support import files

if TYPE_CHECKING:
    from jinja2 import Environment

    from asr.report.examples import Example

MAX_ERRORS = 30  # in the list of frequent errors
MAX_INK = 45  # % of color in a cell of the matrix, so that its number keeps a contrast of 4.5 : 1
_PROVENANCE = ("command", "commit", "seed", "date", "machine", "bundle_sha256", "manifest_sha256")


def write(
    run: Path, name: str, data: Path, out: Path | None = None, manifest: Path | None = None, examples: bool = True
) -> Path:
    """Write the report of a run on a set, and return its path.

    Args:
        run: The run's folder, or its bundle.
        name: The set's.
        data: The folder of prepared corpora.
        out: The HTML file; default: NAME.html next to the result.
        manifest: The set's manifest; default: the corpus's in `data`.
        examples: Show utterances, which needs the bundle, the manifest and the recordings.

    Raises:
        AsrError: The set was not evaluated, the evaluated files are missing or changed, or the extra `plots` is not
            installed.
    """
    if run.suffix == ".json" and run.is_file():
        raise AsrError(f"{run}: is a result file; pass its run: `asr report {run.parent} --set {run.stem}`")
    folder = run.parent if run.is_file() else run
    environment = templates()
    evaluation = evaluated.read(folder, name)
    shown: Sequence[Example] = ()
    if examples:
        from asr.report.examples import choose, make

        system = run if run.is_file() else folder / evaluation.result["bundle"]
        shown = make(evaluation, system, manifest, data, choose(evaluation))
    out = out or folder / f"{name}.html"
    files.write_text(out, render(evaluation, shown, environment))
    return out


def draw_utterance(run: Path, name: str, id: str, data: Path, out: Path, manifest: Path | None = None) -> Path:
    """Draw one utterance's panel as a PNG, and return its path.

    Args:
        run: The run's folder.
        name: The set's name.
        id: The utterance.
        data: The folder of prepared corpora.
        out: The PNG.
        manifest: The set's manifest; default: the corpus's in `data`.

    Raises:
        AsrError: As for `write`, or the set has no such utterance.
    """
    from asr.report.examples import Choice, make

    plots.need()
    evaluation = evaluated.read(run, name)
    system = run / evaluation.result["bundle"]
    (example,) = make(evaluation, system, manifest, data, [Choice(id, "")])
    return plots.panel(example.picture, out)


def render(evaluation: EvaluatedRun, examples: "Sequence[Example]", environment: "Environment") -> str:
    """Return the page.

    Args:
        evaluation: The run and its result.
        examples: The utterances to show.
        environment: Jinja's, with the templates.
    """
    from markupsafe import Markup

    style, script = (environment.get_template(name).render() for name in ("style.css", "script.js"))
    counted = confusions.count(evaluation.alignments.values())
    audio = {example.utterance.id: example.utterance.audio.as_posix() for example in examples}
    context: dict[str, Any] = {
        "evaluation": evaluation,
        "result": evaluation.result,
        "interval": conventions.interval_text(
            evaluation.result["interval"], evaluation.result.get("resampled", "speakers")
        ),
        "remark": remark(evaluation.result["search"], evaluation.result["set"]),
        "overall": evaluation.by_units["rate"],
        "facts": _facts(evaluation),
        "conventions": evaluation.result["conventions"],
        "curves": charts.curves(evaluation.epochs, evaluation.by_units["metric"]),
        "learned": _learned(evaluation),
        "symbols": _by_class(counted.by_symbol()),
        "frequent": counted.errors()[:MAX_ERRORS],
        "matrix": _matrix(counted),
        "widest": max([_wrong(symbol) for symbol in counted.by_symbol()] + [1e-9]),
        "breakdowns": groups.breakdowns(evaluation, audio),
        "examples": examples,
        "calibration": charts.reliability(evaluation.result),
        "changed": _changed(evaluation.recipe) if evaluation.recipe else [],
        "settings": config.dump(evaluation.recipe) if evaluation.recipe else "",
        "provenance": _provenance(evaluation.result),
        "style": Markup(style),
        "script": Markup(script),
        "policy": policy(script),
    }
    return environment.get_template("page.html").render(context, sections=_sections(context))


def templates() -> "Environment":
    """Return Jinja's environment with the templates and filters of our pages.

    Raises:
        AsrError: The extra `plots` is not installed.
    """
    try:
        import matplotlib.ticker  # noqa: F401
        import PIL  # noqa: F401
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ImportError as error:
        raise AsrError(f'a report needs {error.name}; install it with `pip install "asr[plots]"`') from error
    environment = Environment(
        loader=PackageLoader("asr.report", "template"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": _percent,
        "whole": _whole,
        "px": _pixels,
        "wrong": _wrong,
        "shown": confusions.shown,
        "ink": _ink,
    }
    return environment


def _percent(value: float, digits: int = 2, unit: str = "\N{NO-BREAK SPACE}%") -> str:
    return f"{100 * value:.{digits}f}{unit}"


def _whole(value: int | None) -> str:
    return "–" if value is None else f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def _pixels(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _wrong(symbol: Symbol) -> float:
    """Return the share of a symbol's occurrences that was not recognized."""
    return (symbol.count.substitutions + symbol.count.deletions) / max(1, symbol.count.total)


def _ink(share: float) -> int:
    """Return % of color for a share: by its square root, so that 1 % is visible, saturating at about 20 %."""
    return round(min(MAX_INK, 6 + 90 * sqrt(share)))


def policy(script: str = "") -> str:
    """Return the content security policy: no requests, and no script but the page's own, if it has one."""
    allowed = f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" if script else "'none'"
    return (
        "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; "
        f"script-src {allowed}; base-uri 'none'; form-action 'none'"
    )


def _sections(context: Row) -> list[tuple[str, str]]:
    """Return the anchors and titles of the sections that the page has."""
    symbols = context["evaluation"].symbols.capitalize()
    sections = [
        ("scores", "Scores", True),
        ("learning", "Learning", context["curves"]),
        ("symbols", symbols, True),
        ("groups", "Groups", context["breakdowns"]),
        ("utterances", "Utterances", context["examples"]),
        ("confidence", "Confidence", context["calibration"]),
        ("recipe", "Recipe", context["settings"]),
        ("provenance", "Provenance", True),
    ]
    return [(id, title) for id, title, present in sections if present]


def _facts(evaluation: EvaluatedRun) -> list[tuple[str, str]]:
    result = evaluation.result
    symbols = {"PER": "phones", "CER": "characters", "WER": "words"}[result["metric"]]
    facts = [("utterances", result["utterances"]), ("speakers", result["speakers"]), (symbols, result["total"])]
    return [(name, _whole(value)) for name, value in facts] + [("decoder", results.decoding(result["search"]))]


def _learned(evaluation: EvaluatedRun) -> str:
    """Return a summary of the training."""
    rows = evaluation.epochs
    if not rows:
        return ""
    minutes, seconds = divmod(round(sum(taken for _, taken in charts.column(rows, "seconds"))), 60)
    summary = f"{len(rows)} epochs, {minutes} min {seconds} s."
    rates = charts.column(rows, "dev.rate")
    if not rates:
        return summary
    epoch, rate = min(rates, key=lambda point: point[1])
    return f"{summary} Best on dev after epoch {epoch:g}: {evaluation.by_units['metric']} {_percent(rate)}."


def _by_class(symbols: list[Symbol]) -> list[tuple[str, list[Symbol]]]:
    """Return the symbols by phone class; all in one class without a name if they are not phones."""
    return [(name, list(some)) for name, some in groupby(symbols, key=lambda symbol: CLASS.get(symbol.name, ""))]


def _matrix(counted: Confusions) -> list[Row]:
    """Return the rows of the confusion matrix, insertions last, with an edge where a class begins."""
    names: list[str | None] = [*counted.symbols, None]
    classes = [CLASS.get(name, "") if name is not None else None for name in names]
    return [
        {"name": name, "cells": counted.row(row), "edge": row > 0 and classes[row] != classes[row - 1]}
        for row, name in enumerate(names)
    ]


def _changed(recipe: Recipe) -> list[tuple[str, Any, Any]]:
    """Return the settings that differ from the defaults: name, default, value."""
    default = bundle.resolve(Recipe()).flat()
    settings = bundle.resolve(recipe).flat()
    return [(key, default.get(key, "–"), value) for key, value in settings.items() if value != default.get(key)]


def _provenance(result: Row) -> list[tuple[str, str]]:
    known = [
        (key.replace("_sha256", " SHA-256"), str(result[key])) for key in _PROVENANCE if result.get(key) is not None
    ]
    if made := result.get("trained"):
        known.append(("trained", ", ".join(f"{key} {value}" for key, value in made.items())))
    search = ", ".join(f"{key} {value}" for key, value in result["search"].items() if value not in ("", None))
    return [*known, ("search", search)]
