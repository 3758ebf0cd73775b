"""Recipes: one TOML file per experiment, typed, listing only what differs from the defaults below.

The schema and the defaults live here and nowhere else. Components never see a recipe; `asr.bundle` hands them plain
arguments.
"""

import json
import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from asr.errors import AsrError, suggest

Part = TypeVar("Part")
Value = bool | int | float | str | tuple[float, ...]


def _setting(default: Any, low: float = 0.0, high: float = math.inf, above: float | None = None) -> Any:  # noqa: ANN401
    """Declare a field; a number must lie in [low, high], and strictly above `above` when that is given."""
    return field(default=default, metadata={"low": low, "high": high, "above": above})


@dataclass(frozen=True)
class Corpus:
    """Where the utterances come from."""

    name: str = "espeak"  # a corpus of asr/corpora; its manifests lie in data/<name>/


@dataclass(frozen=True)
class Units:
    """What the system writes."""

    kind: str = "phones39"  # phones39, phones48, phones61 or characters
    alphabet: str = " abcdefghijklmnopqrstuvwxyz'"  # characters: each one once
    drop: str = '.,;:?!"'  # characters: what a transcript may hold and we do not model


@dataclass(frozen=True)
class Features:
    """From samples to feature vectors; the defaults are Kaldi's MFCCs."""

    kind: str = "mfcc"  # a kind of asr/features
    rate: int = _setting(16000, above=0)  # Hz; other recordings are resampled
    window: float = _setting(0.025, above=0)  # seconds
    shift: float = _setting(0.010, above=0)  # seconds
    mels: int = _setting(23, above=0)  # filters
    coefficients: int = _setting(13, above=0)  # MFCCs kept, the first is C0
    low: float = _setting(20.0)  # Hz, lower edge of the first filter
    high: float = _setting(0.0)  # Hz, upper edge of the last filter; 0 is half the rate
    preemphasis: float = _setting(0.97, high=1)
    lifter: float = _setting(22.0)  # cepstral lifter; 0 is none
    dither: float = _setting(0.0)  # standard deviation of added noise, in 16-bit steps
    energy: bool = False  # fbank: log energy as column 0
    deltas: int = _setting(0, high=2)  # 1 appends Δ, 2 appends Δ and ΔΔ
    normalise: str = "utterance"  # mean and variance over: utterance, speaker, global (training set), none
    prior: float = _setting(0.0, high=1e6)  # frames that the training set counts as in an utterance's or a speaker's


@dataclass(frozen=True)
class Frontend:
    """What comes before the recurrence."""

    kind: str = "none"  # a kind of asr/frontends
    stride: int = _setting(2, above=0, high=16)  # stack, pool, conv: frames that become one
    channels: int = _setting(16, above=0, high=4096)  # conv: of each convolution
    depth: int = _setting(2, above=0, high=16)  # conv: convolutions, each followed by pooling over two filters
    dropout: float = _setting(0.0, high=0.95)  # conv: share of its outputs, while training


@dataclass(frozen=True)
class Encoder:
    """The stack of bidirectional layers."""

    cell: str = "lstm"  # a cell of asr/cells
    layers: int = _setting(2, above=0, high=64)
    hidden: int = _setting(40, above=0, high=16384)  # units per direction
    dropout: float = _setting(0.0, high=0.95)  # share of each layer's outputs, while training
    norm: bool = False  # normalize each layer's outputs (layer normalization)
    dense: int = _setting(0, high=65536)  # size of a rectified layer between recurrence and projection; 0 is none


@dataclass(frozen=True)
class Training:
    """The optimiser and its schedule."""

    seed: int = _setting(1)
    init: str = ""  # a run's folder or a bundle whose weights to start from
    epochs: int = _setting(0)  # 0: by the size of the data (asr/training/sizing.py)
    patience: int = _setting(0)  # epochs without a better dev score before stopping; 0 never stops early
    batch: int = _setting(0)  # utterances; 0: by the size of the data
    learning_rate: float = _setting(0.0, high=1e3)  # highest of the one-cycle schedule; 0: by the batch
    warmup: float = _setting(0.3, high=1)  # share of all steps in which the learning rate rises
    weight_decay: float = _setting(1e-2, high=10)
    clip: float = _setting(1.0, above=0)  # largest gradient norm
    precision: str = "float32"  # of the network's products, on CUDA: float32 (never TF32) or bfloat16
    deterministic: bool = False  # on CUDA: the same bits every time, slower; a CPU gives them anyway
    noise: float = _setting(0.0, high=100)  # standard deviation of Gaussian noise on the (normalised) features


@dataclass(frozen=True)
class Augment:
    """What training changes in what it hears; noise is `training.noise`."""

    auto: bool = False  # whether what is left at its default follows from the size of the data
    speeds: tuple[float, ...] = _setting((1.0,), low=0.5, high=2.0)  # each utterance is learned from at each of them
    time_masks: int = _setting(0, high=100)  # stretches of frames hidden in each utterance
    time_width: int = _setting(25, above=0)  # frames hidden at a time, at most
    time_share: float = _setting(0.2, above=0, high=1)  # of an utterance hidden at a time, at most
    frequency_masks: int = _setting(0, high=100)  # bands hidden in each utterance
    frequency_width: int = _setting(4, above=0)  # filters or coefficients hidden at a time, at most
    warp: float = _setting(0.0, high=0.5)  # vocal tracts longer or shorter by at most this share
    gain: float = _setting(0.0, high=60)  # dB, louder or softer by at most
    channel: float = _setting(0.0, high=60)  # dB, depth of the ripples of a microphone's response, at most
    noise_share: float = _setting(0.0, high=1)  # utterances that noise is added to
    snr: tuple[float, ...] = _setting((5.0, 30.0), low=-20, high=100)  # dB, lowest and highest, of that noise
    room_share: float = _setting(0.0, high=1)  # utterances that reverberate
    decay: float = _setting(0.6, above=0, high=3)  # seconds, longest reverberation time
    telephone_share: float = _setting(0.0, high=1)  # utterances cut to a telephone's band


@dataclass(frozen=True)
class Recipe:
    """One experiment."""

    corpus: Corpus = field(default_factory=Corpus)
    units: Units = field(default_factory=Units)
    features: Features = field(default_factory=Features)
    frontend: Frontend = field(default_factory=Frontend)
    encoder: Encoder = field(default_factory=Encoder)
    training: Training = field(default_factory=Training)
    augment: Augment = field(default_factory=Augment)

    def as_dict(self) -> dict[str, dict[str, Any]]:
        """Return every setting, defaults included, by part and name."""
        return asdict(self)


def load(path: Path, overrides: Iterable[str] = ()) -> Recipe:
    """Return the recipe in a TOML file, with overrides such as `encoder.hidden=250` put on top.

    Raises:
        AsrError: The file is missing or no TOML; a key is unknown; a value has the wrong type or range.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        near = sorted(p.stem for p in path.parent.glob("*.toml"))
        raise AsrError(f"{path}: no such recipe; {suggest(path.stem, near) if near else 'give a .toml file'}") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise AsrError(f"{path}: not a recipe ({error}); recipes are TOML") from error
    recipe = parse(table, str(path))
    for override in overrides:
        recipe = _override(recipe, override)
    return recipe


def parse(table: Mapping[str, Any], where: str) -> Recipe:
    """Return the recipe in a table of tables.

    Args:
        table: As TOML or JSON gives it.
        where: What the messages name as the place.

    Raises:
        AsrError: A key is unknown; a value has the wrong type or range.
    """
    return _fill(Recipe(), table, where, "")


def dump(recipe: Recipe) -> str:
    """Return the whole recipe, defaults included, as TOML that `load` reads back."""
    lines = []
    for part, settings in recipe.as_dict().items():
        lines += [f"[{part}]", *(f"{key} = {_toml(value)}" for key, value in settings.items()), ""]
    return "\n".join(lines)


def differences(one: Recipe, other: Recipe) -> list[str]:
    """Return what differs between two recipes, as `encoder.hidden: 40 → 250`."""
    pairs = ((part, key) for part, settings in one.as_dict().items() for key in settings)
    rows = []
    for part, key in pairs:
        before, after = getattr(getattr(one, part), key), getattr(getattr(other, part), key)
        if before != after:
            rows.append(f"{part}.{key}: {_shown(before)} → {_shown(after)}")
    return rows


def _shown(value: Value) -> str:
    return _toml(value) if isinstance(value, tuple) else str(value)


def _toml(value: Value) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")  # a TOML string is nearly a JSON one
    return repr(value)


def _override(recipe: Recipe, override: str) -> Recipe:
    where = f"--set {override}"
    path, equals, text = override.partition("=")
    part, dot, key = path.strip().partition(".")
    if not equals or not dot:
        raise AsrError(f"{where}: is not of the form part.key=value; for example encoder.hidden=250")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()  # so that `encoder.cell=lstm` needs no quotes through make and the shell
    return _fill(recipe, {part: {key: value}}, where, "")


def _fill(part: Part, table: Mapping[str, Any], where: str, section: str) -> Part:
    """Return a copy of a dataclass with the table's values, checked against its fields."""
    assert is_dataclass(part) and not isinstance(part, type)
    known = {f.name: f for f in fields(part)}
    place = f"{where} [{section}]" if section else where
    values = {}
    for key, value in table.items():
        if key not in known:
            raise AsrError(f"{place}: unknown key '{key}': {suggest(key, list(known))}")
        default = getattr(part, key)
        if is_dataclass(default):
            if not isinstance(value, Mapping):
                raise AsrError(f"{place}: {key} = {value!r} is no section; write [{key}] and its keys below it")
            values[key] = _fill(default, value, where, key)
        else:
            values[key] = _checked(default, value, known[key].metadata, f"{place}: {key} = {value!r}")
    return replace(part, **values)


def _checked(default: Any, value: Any, limits: Mapping[str, Any], what: str) -> Any:  # noqa: ANN401
    """Return the value in the field's type; the default carries the type."""
    if isinstance(default, tuple):
        return _checked_list(default, value, limits, what)
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not type(default):
        raise AsrError(f"{what}: must be a {_TYPES[type(default)]}, as in {_toml(default)}")
    if isinstance(value, int | float) and not isinstance(value, bool):
        low, high, above = limits["low"], limits["high"], limits["above"]
        if not low <= value <= high or not math.isfinite(value) or (above is not None and value <= above):
            need = f"above {above:g}" if above is not None else f"at least {low:g}"
            need += f" and at most {high:g}" if high < math.inf else ""
            raise AsrError(f"{what}: must be {need}")
    return value


def _checked_list(default: tuple[Any, ...], value: Any, limits: Mapping[str, Any], what: str) -> tuple[Any, ...]:  # noqa: ANN401
    """Return a list's values, each once, as a tuple."""
    if not isinstance(value, list | tuple) or not value:
        raise AsrError(f"{what}: must be a list of at least one {_TYPES[type(default[0])]}, as in {_toml(default)}")
    items = tuple(_checked(default[0], item, limits, f"{what}: {item!r}") for item in value)
    if twice := [item for item in items if items.count(item) > 1]:
        raise AsrError(f"{what}: {twice[0]!r} stands twice; name each once")
    return items


_TYPES = {bool: "truth value", int: "whole number", float: "number", str: "text in quotes"}
