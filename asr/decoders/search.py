"""How a system is decoded: a decoder's settings, the calibration of its confidences, and where both come from.

`asr tune` records it beside the bundle, in decoder.json.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from asr.decoders.greedy import Greedy
from asr.decoders.hypothesis import Decoder, DecoderSettings, Hypothesis, LogProbs
from asr.errors import AsrError, InputError, choose
from asr.scoring.calibration import Calibration
from asr.support import files, text
from asr.support.settings import declared
from asr.units import Units

FILE = "decoder.json"
_OLD = {"width": 25, "lexicon": None, "weight": 0.0, "bonus": 0.0, "lm": None}  # 0.1 wrote these for every decoder


@dataclass(frozen=True)
class Search:
    """How a system is decoded.

    Attributes:
        decoder: The settings of one of `asr.decoders.DECODERS`.
        calibration: Of the confidences.
        tuned_on: The SHA-256 of the manifest on which the settings and the calibration were tuned; empty if they were
            not.
        tuned_for: The SHA-256 of the bundle for which they were.
        by_hand: Whether a setting that `asr tune` chooses was set by hand since, even to the value that it had.
    """

    decoder: DecoderSettings = field(default_factory=Greedy)
    calibration: Calibration = field(default_factory=Calibration)
    tuned_on: str = ""
    tuned_for: str = ""
    by_hand: bool = False

    def build(self, units: Units) -> Decoder:
        """Return the decoder, with calibrated confidences, for a system's units.

        Raises:
            AsrError: A file cannot be used, or does not fit the units.
        """
        return Calibrated(self.decoder.build(units), self.calibration)

    def changed(self, name: str | None = None, given: Mapping[str, Any] | None = None) -> "Search":
        """Return this search with another decoder or other settings; another decoder keeps nothing of this one.

        Args:
            name: The decoder, a key of `DECODERS`; None for the same.
            given: Values by setting; those that are None are not changed.

        Raises:
            AsrError: The decoder or a setting does not exist, or a value is invalid.
        """
        changes = {key: value for key, value in (given or {}).items() if value is not None}
        search, entry = self, type(self.decoder)
        if name is not None and name != entry.name:
            search, entry = Search(), entry_of(name)
        _require_settings(entry, changes)
        decoder = replace(search.decoder, **changes) if search is self else entry(**changes)
        return replace(search, decoder=decoder, by_hand=search.by_hand or bool(set(changes) & set(entry.tunable())))

    def save(self, path: Path) -> None:
        """Write decoder.json; its files are named relative to it.

        Raises:
            AsrError: It cannot be written.
        """
        row = self.as_dict() | {"tuned_for": self.tuned_for, "by_hand": self.by_hand}
        for name in self._files():
            row[name] = os.path.relpath(row[name], path.parent)
        files.write_json(path, row)

    def as_dict(self) -> dict[str, Any]:
        """Return the decoder's name, what it searches with, the calibration and `tuned_on`, for JSON."""
        fields = declared(self.decoder).items()
        settings = {name: getattr(self.decoder, name) for name, one in fields if not one.metadata["output"]}
        settings |= {name: str(settings[name]) for name in self._files()}
        row = {"decoder": self.decoder.name, **{key: value for key, value in settings.items() if value is not None}}
        return row | {"calibration": list(self.calibration), "tuned_on": self.tuned_on}

    def _files(self) -> list[str]:
        """Return the settings that name a file, where there is one."""
        named = (name for name, one in declared(self.decoder).items() if one.metadata["file"])
        return [name for name in named if getattr(self.decoder, name) is not None]

    @classmethod
    def load(cls, path: Path) -> "Search":
        """Return what `save` wrote, or version 0.1.

        Raises:
            InputError: It cannot be read, or is not such a file.
        """
        try:
            row: dict[str, Any] = upgraded(text.parsed(path.read_bytes()))
            entry = entry_of(row.pop("decoder"))
            calibration = Calibration(*(float(number) for number in row.pop("calibration")))
            own = {one.name: row.pop(one.name) for one in fields(cls) if one.name in row}
            if not all(isinstance(own.get(key, ""), str) for key in ("tuned_on", "tuned_for")):
                raise TypeError("tuned_on and tuned_for must be strings")
            _require_settings(entry, row)
            for name, one in declared(entry).items():
                if one.metadata["file"] and row.get(name) is not None:
                    row[name] = path.parent / row[name]
            return cls(entry(**row), calibration, own["tuned_on"], own["tuned_for"], own.get("by_hand") is True)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            reason = f"{error} is missing" if isinstance(error, KeyError) else error
            raise InputError(f"{path}: not decoder settings ({reason}); run `asr tune` again") from error

    @classmethod
    def recorded(cls, bundle: Path, say: Callable[[str], None] = lambda line: None) -> "Search":
        """Return what `asr tune` recorded for a bundle; greedy decoding if it recorded nothing.

        Args:
            bundle: The bundle's file; decoder.json is beside it.
            say: Receives a line when the record belongs to another bundle and is not used.

        Raises:
            InputError: The record cannot be read.
        """
        path = bundle.parent / FILE
        if not path.exists():
            return cls()
        search = cls.load(path)
        if search.tuned_for == files.sha256(bundle):
            return search
        say(f"{path}: was tuned for another bundle and is not used; run `asr tune` again")
        return cls()


def entry_of(name: str) -> type[DecoderSettings]:
    """Return an entry of the table.

    Raises:
        AsrError: It does not exist.
    """
    from asr.decoders import DECODERS  # the table imports this module

    return choose(DECODERS, name, "decoder")


def _require_settings(entry: type[DecoderSettings], names: Iterable[str]) -> None:
    """Refuse names that are not settings of a decoder.

    Raises:
        AsrError: One is not.
    """
    from asr.decoders import DECODERS

    own = declared(entry)
    for name in names:
        if name not in own:
            others = [other for other in DECODERS if name in declared(DECODERS[other])]
            remedy = f"choose --decoder {' or '.join(others)}" if others else f"its settings are {', '.join(own)}"
            raise AsrError(f"'{name}' is not a setting of the decoder '{entry.name}'; remove it, or {remedy}")


def upgraded(row: dict[str, Any]) -> dict[str, Any]:
    """Return a record with the current names; version 0.1 wrote `language`, and all settings for every decoder."""
    from asr.decoders import DECODERS

    if "language" in row:
        row = {"lm" if key == "language" else key: value for key, value in row.items()}
    entry = DECODERS.get(row.get("decoder", ""))
    names = declared(entry) if entry else row
    return {key: value for key, value in row.items() if key in names or key not in _OLD or value != _OLD[key]}


class Calibrated:
    """A decoder whose confidences are calibrated; nothing else changes."""

    def __init__(self, decoder: Decoder, calibration: Calibration) -> None:
        self._decoder, self._calibration = decoder, calibration

    def __call__(self, log_probs: LogProbs) -> list[Hypothesis]:
        """Return the decoder's hypotheses (T, V) → best first."""
        return [self._calibrated(hypothesis) for hypothesis in self._decoder(log_probs)]

    def _calibrated(self, hypothesis: Hypothesis) -> Hypothesis:
        if self._calibration == Calibration():
            return hypothesis
        if hypothesis.word_confidence:  # the calibration was fitted to words and is not valid for units
            return replace(hypothesis, word_confidence=tuple(self._calibration(hypothesis.word_confidence).tolist()))
        return replace(hypothesis, confidence=tuple(self._calibration(hypothesis.confidence).tolist()))
