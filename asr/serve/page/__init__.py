"""The page: a system that recognizes in a browser, as one HTML file that asks nobody for anything.

`asr serve` delivers it at `/`; `asr export RUN page.html` writes it. Features, network and decoding are the plain
JavaScript beside this file, and run what `asr.engines` runs in NumPy; weights come along in base64. The modules are
put one after the other, without their imports and exports, into one script for the page and one for its worker. A
content security policy names both by their hashes and allows no connection, so what is said stays in the browser.
"""

import base64
import hashlib
import html
import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from asr import box, engines
from asr.bundle import Bundle
from asr.errors import AsrError
from asr.phones import DELETED, SILENCE, TO_39
from asr.scoring.conventions import metric
from asr.support import files
from asr.support import text as texts

HERE = Path(__file__).parent
# The modules of the worker and of the page, each after those that it imports.
ENGINE = "matrix fourier features frontends literature cells network greedy resample recognizer".split()
PAGE = (
    "alignment symbols subtitles formats wav decode microphone engine colors panel player "
    "transcript recordings reference outputs live theme page"
).split()
_LINKED = re.compile(r"^import [^;]*;\n|^export (?=async |class |const |function )", re.MULTILINE)
_POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data: blob:; media-src blob:; "
    "worker-src data:; script-src data: {script}; style-src {style}"
)


class Page(NamedTuple):
    """What a browser is sent.

    Attributes:
        html: The page.
        policy: Its content security policy, which is also in it.
    """

    html: str
    policy: str


def described(system: Bundle) -> dict[str, Any]:
    """Return what the JavaScript needs to know of a system, weights included, as JSON has it.

    Raises:
        AsrError: The page has no equations of its cell or front end, or cannot make its features.
    """
    network = system.architecture
    if not engines.supported(network):
        raise AsrError(f"page: has no equations of cell '{network.cell}' with these settings; use `asr transcribe`")
    if system.features.settings["dither"]:
        raise AsrError(f"page: features.dither = {system.features.settings['dither']:g}: must be 0 here; train with 0")
    tensors, values, start = dict[str, tuple[int, int]](), [], 0
    for name, array in sorted(system.weights.items()):
        tensors[name] = (start, array.size)
        values.append(np.asarray(array, "<f4").ravel())
        start += array.size
    units, encoder = system.units, system.recipe.encoder
    said = f"{len(units) - 1} {units.kind.rstrip('0123456789')}"
    return {
        "name": system.recipe.corpus.name,
        "about": f"{said} · {encoder.layers} × {encoder.hidden} {encoder.cell} · {start:,} parameters · best path",
        "note": _note(system),
        "metric": metric(units.kind),
        "units": {"kind": units.kind, "symbols": units.symbols, "drop": units.drop},
        "silence": sorted(SILENCE),
        "fold": TO_39 | {DELETED: ""} if re.fullmatch(r"phones\d+", units.kind) else None,
        "features": dict(system.features.settings),
        "normalizer": _normalizer(system),
        "architecture": asdict(network),
        "stride": system.stride,
        "tensors": tensors,
        "weights": base64.b64encode(np.concatenate(values).tobytes()).decode(),
    }


def script_of(*names: str) -> str:
    """Return modules of this folder as one script."""
    return "\n".join(_LINKED.sub("", _text(f"{name}.js")) for name in names)


def made(system: Bundle) -> Page:
    """Return the page of a system.

    Raises:
        AsrError: As `described`.
    """
    script, style = script_of(*PAGE), _text("style.css")
    policy = _POLICY.format(script=_hash(script), style=_hash(style))
    parts = {
        "name": html.escape(system.recipe.corpus.name),
        "policy": policy,
        "style": style,
        "system": json.dumps(described(system), ensure_ascii=False).replace("<", "\\u003c"),
        "worker": script_of(*ENGINE, "worker"),
        "capture": script_of("capture"),
        "script": script,
    }
    return Page(re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], _text("page.html")), policy)


def write(system: Bundle, path: Path) -> int:
    """Write the page of a system to a file, and return its size in bytes.

    Raises:
        AsrError: As `described`, or the file cannot be written.
    """
    text = made(system).html
    files.write_text(path, text)
    return len(text.encode())


def _note(system: Bundle) -> str:
    """Return how wrong a system is, as far as it is known."""
    if "box" in system.facts:
        return f"The system that comes with asr: {box.described(system)}."
    rate = system.facts.get("dev")
    return f"{metric(system.units.kind)} {100 * rate:.1f} % on its dev set." if rate is not None else ""


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _text(name: str) -> str:
    return texts.read(HERE / name)


def _normalizer(system: Bundle) -> dict[str, Any]:
    """Return the kind of normalization, and the training set's statistics as they count."""
    kind, statistics = system.normaliser.kind, system.normaliser.statistics
    if kind != "global" and statistics:
        statistics = statistics.reweighted(system.normaliser.prior) if system.normaliser.prior else None
    if kind == "none" or statistics is None:
        return {"kind": kind, "count": 0, "total": [], "squares": []}
    total, squares = statistics.total.tolist(), statistics.squares.tolist()
    return {"kind": kind, "count": statistics.count, "total": total, "squares": squares}
