"""Recipes: one TOML file per experiment, typed, listing only what differs from the defaults below.

The schema and the defaults are here and nowhere else, except for the settings of what a recipe names: a kind of
features or a cell declares its own. They are read here as they come, from the section itself or from a table of its own
(`[features]` or `[features.mfcc]`), and `resolved` checks them against the entry. Components never see a recipe;
`asr.bundle` passes them plain arguments.
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from asr.errors import AsrError, choose, suggest
from asr.support import settings as of_entry
from asr.support.settings import Value, checked, setting, shown, toml
from asr.support.text import decode

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

FRAMES = "frames"  # the readout that leaves a recording its frames
AUTO = "auto"  # a front end or an alphabet that follows from the data
BY_SIZE = (
    "batch",
    "epochs",
    "learning_rate",
)  # settings of [training] that follow from the size of the data where they are 0
BEST = "best.safetensors"  # the bundle's name in a run's folder

Part = TypeVar("Part", bound="DataclassInstance")
Named = TypeVar("Named", bound="Section")


@dataclass(frozen=True)
class Section:
    """A section that names an entry of a table, such as a cell, and has that entry's settings too.

    Attributes:
        names: The key that names the entry, and what the entry is, for messages.
        unused: Settings that version 0.1 wrote for every entry, with their defaults; ignored where an entry has none.
        own: The entry's settings; `resolved` checks them and adds the defaults.
        places: Where each of them was given, for messages.
    """

    names: ClassVar[tuple[str, str]]
    unused: ClassVar[Mapping[str, Value]] = {}

    own: Mapping[str, Any] = field(default_factory=dict, kw_only=True)
    places: Mapping[str, str] = field(default_factory=dict, kw_only=True, compare=False, repr=False)

    @property
    def entry(self) -> str:
        """The name of the entry."""
        return str(getattr(self, self.names[0]))


@dataclass(frozen=True)
class Corpus(Section):
    """Where the utterances come from; a corpus's own settings (text, language) are declared in asr/corpora."""

    names = ("name", "corpus")

    name: str = "espeak"  # a corpus of asr/corpora; its manifests are in data/<name>/

    @property
    def folder(self) -> str:
        """The name of its folder in data/; settings make another corpus: espeak-commands-de."""
        words = [Path(value).stem if isinstance(value, str) else toml(value) for _, value in sorted(self.own.items())]
        return "-".join([self.name, *reversed(words)])


@dataclass(frozen=True)
class UnitSettings:
    """The output symbols."""

    kind: str = "phones39"  # phones39, phones48, phones61, phones, characters or words
    alphabet: str = " abcdefghijklmnopqrstuvwxyz'"  # characters: each one once; auto: those of the transcripts
    drop: str = '.,;:?!"'  # characters: what a transcript may contain and is not modeled
    symbols: str = ""  # phones and words: each one once, separated by spaces


@dataclass(frozen=True)
class FeatureSettings(Section):
    """From samples to feature vectors; a kind's own settings (rate, window, mels, …) are declared in asr/features."""

    names = ("kind", "kind of features")
    unused = {"coefficients": 13, "lifter": 22.0}

    kind: str = "mfcc"  # a kind of asr/features
    deltas: int = setting(0, high=2)  # 1 appends Δ, 2 appends Δ and ΔΔ
    normalise: str = "utterance"  # mean and variance over: utterance, speaker, global (training set), none
    prior: float = setting(0.0, high=1e6)  # frames that the training set counts as in an utterance's or a speaker's


@dataclass(frozen=True)
class FrontendSettings(Section):
    """What comes before the recurrence; a kind's own settings (stride, channels, …) are declared in asr/frontends."""

    names = ("kind", "front end")

    kind: str = "none"  # a kind of asr/frontends, or auto: by the duration of a unit (asr/training/sizing.py)


@dataclass(frozen=True)
class Encoder(Section):
    """The stack of bidirectional layers."""

    names = ("cell", "cell")

    cell: str = "lstm"  # a cell of asr/cells
    layers: int = setting(2, low=1, high=64)
    hidden: int = setting(40, low=1, high=16384)  # size per direction
    dropout: float = setting(0.0, high=0.95)  # share of each layer's outputs set to 0 while training
    norm: bool = False  # normalize each layer's outputs (layer normalization)
    dense: int = setting(0, high=16384)  # size of a rectified layer between recurrence and projection; 0 is none
    readout: str = FRAMES  # what is projected onto units: each of the frames, or their mean (a recording is one word)


@dataclass(frozen=True)
class Training:
    """The optimizer and its schedule."""

    seed: int = setting(1, high=2**63 - 1)
    init: str = ""  # a run's folder or a bundle whose weights to start from
    epochs: int = setting(0, high=100_000)  # 0: by the size of the data (asr/training/sizing.py)
    patience: int = setting(0, high=100_000)  # epochs without a better dev score before stopping; 0 never stops early
    batch: int = setting(0, high=100_000)  # utterances; 0: by the size of the data
    optimizer: str = "adamw"  # adamw, or sgd, which needs a learning_rate of its own
    schedule: str = "one-cycle"  # of the learning rate: one-cycle, constant, or halving after an epoch without progress
    learning_rate: float = setting(0.0, high=1e3)  # the schedule's maximum; 0: by the batch
    momentum: float = setting(0.9, high=0.999)  # of halving and constant; one-cycle has its own
    warmup: float = setting(0.3, high=1)  # share of all steps in which the learning rate rises
    weight_decay: float = setting(1e-2, high=10)
    clip: float = setting(1.0, above=0)  # largest gradient norm
    clip_value: float = setting(0.0)  # largest absolute value in the gradient, clipped before its norm; 0 is any
    precision: str = "float32"  # of the network's products, on CUDA: float32 (never TF32) or bfloat16
    deterministic: bool = False  # on CUDA: bit-identical results, slower; on a CPU they are anyway
    noise: float = setting(0.0, high=100)  # standard deviation of Gaussian noise on the (normalized) features
    weight_noise: float = setting(0.0, high=10)  # standard deviation of Gaussian noise on the weights of each step
    truncate: int = setting(0, high=1_000_000)  # frames of log-probs that gradients flow back within; 0: all


@dataclass(frozen=True)
class Augment:
    """How training changes the features; noise is `training.noise`."""

    auto: bool = False  # whether what is left at its default follows from the size of the data
    speeds: tuple[float, ...] = setting((1.0,), low=0.5, high=2.0)  # each utterance is used at each of them
    pause: float = setting(0.0, high=10)  # seconds of quiet before and after an utterance, at most; half have none
    strangers: float = setting(0.0, high=1)  # share of the utterances normalized as if their speaker were unknown
    time_masks: int = setting(0, high=100)  # masked spans of frames in each utterance
    time_width: int = setting(25, low=1, high=100_000)  # frames masked at a time, at most
    time_share: float = setting(0.2, above=0, high=1)  # of an utterance masked at a time, at most
    frequency_masks: int = setting(0, high=100)  # masked bands in each utterance
    frequency_width: int = setting(4, low=1, high=10_000)  # filters or coefficients masked at a time, at most
    warp: float = setting(0.0, high=0.5)  # vocal tracts longer or shorter by at most this share
    gain: float = setting(0.0, high=60)  # dB, louder or softer by at most
    channel: float = setting(0.0, high=60)  # dB, depth of the ripples of a microphone's response, at most
    noise_share: float = setting(0.0, high=1)  # utterances that noise is added to
    snr: tuple[float, ...] = setting((5.0, 30.0), low=-20, high=100)  # dB, lowest and highest, of that noise
    room_share: float = setting(0.0, high=1)  # utterances that reverberate
    decay: float = setting(0.6, above=0, high=3)  # seconds, longest reverberation time
    telephone_share: float = setting(0.0, high=1)  # utterances cut to a telephone's band


@dataclass(frozen=True)
class Recipe:
    """One experiment."""

    corpus: Corpus = field(default_factory=Corpus)
    units: UnitSettings = field(default_factory=UnitSettings)
    features: FeatureSettings = field(default_factory=FeatureSettings)
    frontend: FrontendSettings = field(default_factory=FrontendSettings)
    encoder: Encoder = field(default_factory=Encoder)
    training: Training = field(default_factory=Training)
    augment: Augment = field(default_factory=Augment)

    def as_dict(self) -> dict[str, dict[str, Any]]:
        """Return every setting by section and key; an entry's own settings in a table with its name."""
        return {one.name: section_as_dict(getattr(self, one.name)) for one in fields(self)}

    def flat(self) -> dict[str, Value]:
        """Return every setting by `section.key`; an entry's own settings as the section's."""
        flat: dict[str, Value] = {}
        for name, section in self.as_dict().items():
            flat |= {f"{name}.{key}": value for key, value in section.items() if not isinstance(value, Mapping)}
            flat |= {f"{name}.{key}": value for key, value in getattr(getattr(self, name), "own", {}).items()}
        return flat


def section_as_dict(section: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return a section's settings; an entry's own in a table with its name."""
    row = {one.name: getattr(section, one.name) for one in fields(section) if one.name not in _OWN}
    if isinstance(section, Section) and section.own:
        row[section.entry] = dict(section.own)
    return row


_OWN = ("own", "places")


def load(path: str | PathLike[str], overrides: Iterable[str] = ()) -> Recipe:
    """Return the recipe in a TOML file, changed by overrides such as `encoder.hidden=250`.

    Raises:
        AsrError: The file is missing or not TOML; a key is unknown; a value has the wrong type or is out of range.
    """
    path = Path(path)
    try:
        table = tomllib.loads(decode(path.read_bytes()))
    except FileNotFoundError:
        near = sorted(p.stem for p in path.parent.glob("*.toml") if p.name != "pyproject.toml")
        remedy = suggest(path.stem, near) if near else "pass a .toml file, such as recipes/espeak.toml"
        remedy = f"pass {path}.toml" if Path(f"{path}.toml").is_file() else remedy
        raise AsrError(f"{path}: no such recipe; {remedy}") from None
    except (OSError, ValueError, RecursionError) as error:  # not UTF-8, not TOML, or a number of too many digits
        raise AsrError(f"{path}: not a recipe ({error}); recipes are TOML") from error
    recipe = parse(table, str(path))
    return overridden(recipe, overrides)


def overridden(part: Part, overrides: Iterable[str]) -> Part:
    """Return a recipe, or another dataclass of sections, changed by overrides such as `encoder.hidden=250`.

    Raises:
        AsrError: As `load`.
    """
    for override in overrides:
        part = _override(part, override)
    return part


def parse(table: Mapping[str, Any], where: str) -> Recipe:
    """Return the recipe in a table of tables.

    Args:
        table: As TOML or JSON gives it.
        where: Where it comes from, for messages.

    Raises:
        AsrError: A key is unknown; a value has the wrong type or is out of range.
    """
    return filled_from(Recipe(), table, where)


def filled_from(part: Part, table: Mapping[str, Any], where: str) -> Part:
    """Return a dataclass of sections with the values in a table of tables; arguments and errors as for `parse`."""
    return _fill(part, table, where, "")


def resolved(section: Named, entries: Mapping[str, Any]) -> Named:
    """Return a section whose entry's settings are checked and complete, with the defaults of those not given.

    Args:
        section: Of a recipe.
        entries: The table that it chooses from; an entry's settings are its dataclass fields, or its parameters that
            have defaults.

    Raises:
        AsrError: There is no such entry; it has no such setting; a value has the wrong type or is out of range.
    """
    key, what = section.names
    entry = of_entry.of(choose(entries, section.entry, what))
    values = {name: default for name, (default, _) in entry.items()}
    for name, value in section.own.items():
        place = section.places.get(name, f"[{type(section).__name__.lower()}]")
        if name in entry:
            default, limits = entry[name]
            values[name] = checked(default, value, limits, f"{place}: {name} = {shown(value)}")
        elif name not in section.unused or value != section.unused[name]:
            choices = [one.name for one in fields(section) if one.name not in _OWN] + list(entry)
            raise AsrError(
                f"{place}: '{name}' is not a setting of the {key} '{section.entry}'; remove it, or "
                f"{suggest(name, choices)}"
            )
    return replace(section, own=values)


def dump(recipe: Recipe) -> str:
    """Return the whole recipe, defaults included, as TOML that `load` reads back."""
    lines = []
    for name, section in recipe.as_dict().items():
        tables = {key: value for key, value in section.items() if isinstance(value, Mapping)}
        lines += [f"[{name}]", *(f"{key} = {toml(value)}" for key, value in section.items() if key not in tables), ""]
        for key, own in tables.items():
            lines += [f"[{name}.{key}]", *(f"{one} = {toml(value)}" for one, value in own.items()), ""]
    return "\n".join(lines)


def filled(recipe: Recipe, made: Recipe) -> Recipe:
    """Return a recipe in which what it leaves to the size of the data is as in another, which was made from one.

    Args:
        recipe: May leave settings open; see `asr.training.sizing.resolved`.
        made: Of a run, where nothing is open.
    """
    left = {key: getattr(made.training, key) for key in BY_SIZE if not getattr(recipe.training, key)}
    alphabet = made.units.alphabet if recipe.units.alphabet == AUTO else recipe.units.alphabet
    dropout = recipe.encoder.dropout or (made.encoder.dropout if recipe.augment.auto else 0.0)
    return replace(
        recipe,
        units=replace(recipe.units, alphabet=alphabet),
        encoder=replace(recipe.encoder, dropout=dropout),
        training=replace(recipe.training, **left),
        frontend=made.frontend if recipe.frontend.kind == AUTO else recipe.frontend,
        augment=made.augment if recipe.augment.auto else recipe.augment,
    )


def differences(one: Recipe, other: Recipe) -> list[str]:
    """Return what differs between two recipes, both resolved or neither, as `encoder.hidden: 40 → 250`."""
    before, after = one.flat(), other.flat()
    return [
        f"{key}: {_shown(before.get(key))} → {_shown(after.get(key))}"
        for key in dict.fromkeys([*before, *after])
        if before.get(key) != after.get(key)
    ]


def _shown(value: Value) -> str:
    return toml(value) if isinstance(value, tuple) else "–" if value is None else str(value)


def _override(part: Part, override: str) -> Part:
    where = f"--set {override}" if len(override) < 100 else f"--set {override[:80]}…"
    path, equals, text = override.partition("=")
    section, dot, key = path.strip().partition(".")
    if not equals or not dot:
        raise AsrError(f"{where}: is not of the form section.key=value; for example encoder.hidden=250")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        value = text.strip()  # so that `encoder.cell=lstm` needs no quotes through make and the shell
    entry, dot, own = key.partition(".")
    return _fill(part, {section: {entry: {own: value} if dot else value}}, where, "")


def _fill(part: Part, table: Mapping[str, Any], where: str, name: str) -> Part:
    """Return a copy of a dataclass with the table's values, checked against its fields."""
    known = {f.name: f for f in fields(part) if f.name not in _OWN}
    place = f"{where} [{name}]" if name else where
    values: dict[str, Any] = {}
    others: dict[str, Any] = {}
    for key, value in table.items():
        default = getattr(part, key) if key in known else None
        what = f"{place}: {key} = {shown(value)}"
        if is_dataclass(default) and not isinstance(default, type):
            if not isinstance(value, Mapping):
                raise AsrError(f"{what}: must be a table; write [{key}] with its keys below")
            values[key] = _fill(default, value, where, key)
        elif key in known and not (isinstance(part, Section) and isinstance(value, Mapping)):
            values[key] = checked(default, value, known[key].metadata, what)
        elif isinstance(part, Section):
            others[key] = value
        else:
            raise AsrError(f"{place}: unknown key '{key}': {suggest(key, list(known))}")
    filled = replace(part, **values)
    return _with_own(filled, others, where, name) if others else filled


def _with_own(section: Part, given: Mapping[str, Any], where: str, name: str) -> Part:
    """Return a section with settings of its entry, given in the section itself or in a table with the entry's name."""
    assert isinstance(section, Section)
    own, places = dict(section.own), dict(section.places)
    for key, value in given.items():
        if isinstance(value, Mapping) and key != section.entry:
            kind = section.names[0]
            raise AsrError(
                f"{where} [{name}.{key}]: {kind} is '{section.entry}'; remove this table, or write {kind} = '{key}'"
            )
        place = f"{where} [{name}.{key}]" if isinstance(value, Mapping) else f"{where} [{name}]"
        own |= value if isinstance(value, Mapping) else {key: value}
        places |= dict.fromkeys(value if isinstance(value, Mapping) else [key], place)
    return replace(section, own=own, places=places)
