"""How a system is decoded: which decoder, how wide, with which language model and weights; kept beside the bundle."""

import json
import os
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from asr.decoders.hypothesis import Decoder, Hypothesis, LogProbs
from asr.errors import AsrError, InputError
from asr.scoring.calibration import Calibration
from asr.support import files, text

FILE = "decoder.json"


@dataclass(frozen=True)
class Search:
    """Settings of a decoder; those that it does not have must stand at their defaults.

    Attributes:
        decoder: A name of `asr.decoders.DECODERS`.
        width: Prefixes kept at each frame.
        language: A language model's ARPA file.
        lexicon: A pronunciation dictionary.
        weight: α, of the language model.
        bonus: β, for each unit (beam) or word (lexicon).
        calibration: Of the confidences.
        tuned_on: The SHA-256 of the manifest on which weight, bonus and calibration were chosen; empty for none.
        tuned_for: The SHA-256 of the bundle for which they were.
        by_hand: Whether weight or bonus was given by hand since, be it the very value that was chosen.
    """

    decoder: str = "greedy"
    width: int = 25
    language: Path | None = None
    lexicon: Path | None = None
    weight: float = 0.0
    bonus: float = 0.0
    calibration: Calibration = field(default_factory=Calibration)
    tuned_on: str = ""
    tuned_for: str = ""
    by_hand: bool = False

    def save(self, path: Path) -> None:
        """Write the settings as JSON; files are named relative to it.

        Raises:
            AsrError: It cannot be written.
        """
        row = asdict(self) | {"calibration": list(self.calibration)}
        for name in ("language", "lexicon"):
            file = getattr(self, name)
            row[name] = os.path.relpath(file, path.parent) if file else None
        files.write_json(path, row)

    @classmethod
    def load(cls, path: Path) -> "Search":
        """Return the settings in a file.

        Raises:
            InputError: It cannot be read, or is none that `save` wrote.
        """
        try:
            row: dict[str, Any] = json.loads(text.decode(path.read_bytes()))
            for name in ("language", "lexicon"):
                row[name] = path.parent / row[name] if row[name] else None
            row["calibration"] = Calibration(*(float(number) for number in row["calibration"]))
            found = cls(**row)
            for setting in fields(cls):
                value, default = getattr(found, setting.name), getattr(cls(), setting.name)
                if default is not None and type(value) is not type(default):
                    raise TypeError(f"{setting.name} is {value!r}")
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{path}: no decoder settings ({error}); `asr tune` writes them") from error
        return found

    def refuse(self, *names: str) -> None:
        """Refuse settings that this decoder does not have.

        Raises:
            AsrError: One of them was changed.
        """
        defaults = {f.name: f.default for f in fields(self)}
        for name in names:
            if getattr(self, name) != defaults[name]:
                raise AsrError(f"{name} is no setting of the decoder '{self.decoder}'; leave it out or choose another")


class Calibrated:
    """A decoder whose confidences are calibrated; nothing else of it changes."""

    def __init__(self, decoder: Decoder, calibration: Calibration) -> None:
        self._decoder, self._calibration = decoder, calibration

    def __call__(self, log_probs: LogProbs) -> list[Hypothesis]:
        """Return the decoder's hypotheses (T, V) → best first."""
        return [self._calibrated(hypothesis) for hypothesis in self._decoder(log_probs)]

    def _calibrated(self, hypothesis: Hypothesis) -> Hypothesis:
        if self._calibration == Calibration():
            return hypothesis
        if hypothesis.word_confidence:  # it was fitted to words, and says nothing about their units
            return replace(hypothesis, word_confidence=tuple(self._calibration(hypothesis.word_confidence).tolist()))
        return replace(hypothesis, confidence=tuple(self._calibration(hypothesis.confidence).tolist()))
