"""The report: one HTML file that needs nothing but a browser."""

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
from asr.evaluation.results import Row, remark
from asr.report import charts, confusions, evaluated, groups
from asr.report.confusions import CLASS, Confusions, Symbol
from asr.report.evaluated import Results
from asr.scoring import conventions
from asr.support import files

if TYPE_CHECKING:
    from jinja2 import Environment

    from asr.report.examples import Example

FREQUENT = 30  # errors that are listed
MOST_INK = 45  # % of colour in a cell of the matrix, so that its number keeps 4.5 : 1 on it
_WITNESSES = ("command", "commit", "seed", "date", "machine", "bundle_sha256", "manifest_sha256")


def write(
    run: Path, name: str, data: Path, out: Path | None = None, manifest: Path | None = None, examples: bool = True
) -> Path:
    """Write the report of a run on a set, and return where it lies.

    Args:
        run: The run's folder, or its bundle.
        name: The set's.
        data: Where prepared corpora lie.
        out: The file; NAME.html beside the result when left out.
        manifest: The set's, where it does not lie in `data`.
        examples: Show utterances, which takes the bundle, the manifest and the recordings.

    Raises:
        AsrError: The set was not evaluated, what was evaluated is gone or changed, or the extra `plots` is missing.
    """
    if run.suffix == ".json" and run.is_file():
        raise AsrError(f"{run}: is a result; give its run, as in `asr report {run.parent} --set {run.stem}`")
    folder = run.parent if run.is_file() else run
    environment = _environment()
    found = evaluated.read(folder, name)
    shown: Sequence[Example] = ()
    if examples:
        from asr.report import examples as chosen

        shown = chosen.make(found, run if run.is_file() else folder / found.result["bundle"], manifest, data)
    out = out or folder / f"{name}.html"
    files.write_text(out, render(found, shown, environment))
    return out


def render(found: Results, examples: "Sequence[Example]", environment: "Environment") -> str:
    """Return the page.

    Args:
        found: What evaluation and training said.
        examples: The utterances to show.
        environment: Of the templates.
    """
    from markupsafe import Markup

    style, script = (environment.get_template(name).render() for name in ("style.css", "script.js"))
    counted = confusions.count(found.alignments.values())
    audio = {example.utterance.id: example.utterance.audio.as_posix() for example in examples}
    context: dict[str, Any] = {
        "results": found,
        "result": found.result,
        "said": conventions.said(found.result["interval"], found.result.get("resampled", "speakers")),
        "remark": remark(found.result["search"], found.result["set"]),
        "overall": found.by_units["rate"],
        "facts": _facts(found),
        "conventions": found.result["conventions"],
        "curves": charts.curves(found),
        "learned": _learned(found),
        "symbols": _by_class(counted.by_symbol()),
        "frequent": counted.errors()[:FREQUENT],
        "matrix": _matrix(counted),
        "widest": max([_wrong(symbol) for symbol in counted.by_symbol()] + [1e-9]),
        "breakdowns": groups.breakdowns(found, audio),
        "examples": examples,
        "calibration": charts.reliability(found.result),
        "changed": _changed(found.recipe) if found.recipe else [],
        "settings": config.dump(found.recipe) if found.recipe else "",
        "witnesses": _witnesses(found.result),
        "style": Markup(style),
        "script": Markup(script),
        "policy": _policy(script),
    }
    return environment.get_template("page.html").render(context, sections=_sections(context))


def _environment() -> "Environment":
    try:
        import matplotlib.ticker  # noqa: F401
        import PIL  # noqa: F401
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ImportError as error:
        raise AsrError(f'report: needs {error.name}; `pip install "asr[plots]"` brings it') from error
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
    """Return the share of a symbol that was not recognised."""
    return (symbol.count.substitutions + symbol.count.deletions) / max(1, symbol.count.total)


def _ink(share: float) -> int:
    """Return % of colour for a share: its square root, so that one in a hundred shows, and from a fifth on all."""
    return round(min(MOST_INK, 6 + 90 * sqrt(share)))


def _policy(script: str) -> str:
    """Return the content security policy: nothing from anywhere, and no script but ours."""
    digest = b64encode(sha256(script.encode()).digest()).decode()
    return (
        "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def _sections(context: Row) -> list[tuple[str, str]]:
    """Return the anchors and titles of the sections that the page has."""
    symbols = "Phones" if context["results"].in_phones else "Characters"
    every = [
        ("scores", "Scores", True),
        ("learning", "Learning", context["curves"]),
        ("symbols", symbols, True),
        ("groups", "Groups", context["breakdowns"]),
        ("utterances", "Utterances", context["examples"]),
        ("confidence", "Confidence", context["calibration"]),
        ("recipe", "Recipe", context["settings"]),
        ("witnesses", "Witnesses", True),
    ]
    return [(id, title) for id, title, there in every if there]


def _facts(found: Results) -> list[tuple[str, str]]:
    result = found.result
    symbols = {"PER": "phones", "CER": "characters", "WER": "words"}[result["metric"]]
    facts = [("utterances", result["utterances"]), ("speakers", result["speakers"]), (symbols, result["total"])]
    return [(name, _whole(value)) for name, value in facts] + [("decoder", results.decoding(result["search"]))]


def _learned(found: Results) -> str:
    """Return training in a sentence."""
    rows = found.epochs
    if not rows:
        return ""
    minutes, seconds = divmod(round(sum(row.get("seconds", 0) for row in rows)), 60)
    said = f"{len(rows)} epochs, {minutes} min {seconds} s."
    rates = charts.column(rows, "dev.rate")
    if not rates:
        return said
    epoch, rate = min(rates, key=lambda point: point[1])
    return f"{said} Best on dev after epoch {epoch:g}: {found.by_units['metric']} {_percent(rate)}."


def _by_class(symbols: list[Symbol]) -> list[tuple[str, list[Symbol]]]:
    """Return the symbols of each phone class; all in one without a name where they are no phones."""
    return [(name, list(some)) for name, some in groupby(symbols, key=lambda symbol: CLASS.get(symbol.name, ""))]


def _matrix(counted: Confusions) -> list[Row]:
    """Return the confusion matrix' rows, insertions last, with an edge where another class begins."""
    names: list[str | None] = [*counted.symbols, None]
    classes = [CLASS.get(name, "") if name is not None else None for name in names]
    return [
        {"name": name, "cells": counted.row(row), "edge": row > 0 and classes[row] != classes[row - 1]}
        for row, name in enumerate(names)
    ]


def _changed(recipe: Recipe) -> list[tuple[str, Any, Any]]:
    """Return which settings differ from the defaults: name, default, value."""
    default = bundle.resolve(Recipe()).flat()
    settings = bundle.resolve(recipe).flat()
    return [(key, default.get(key, "–"), value) for key, value in settings.items() if value != default.get(key)]


def _witnesses(result: Row) -> list[tuple[str, str]]:
    known = [
        (key.replace("_sha256", " SHA-256"), str(result[key])) for key in _WITNESSES if result.get(key) is not None
    ]
    if made := result.get("trained"):
        known.append(("trained", ", ".join(f"{key} {value}" for key, value in made.items())))
    search = ", ".join(f"{key} {value}" for key, value in result["search"].items() if value not in ("", None))
    return [*known, ("search", search)]
