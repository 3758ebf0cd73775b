"""What a decoder is: settings that build a search; log-probs in, hypotheses out, best first; on ids, never on text."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from asr.errors import AsrError
from asr.support.settings import checked, declared, shown
from asr.units import Units

LogProbs = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Hypothesis:
    """A labelling that a decoder found.

    Attributes:
        ids: The labelling (L,), without blanks.
        score: What the decoder maximizes, natural log: acoustic + α · language + bonus · length + γ · rescoring.
        acoustic: The log-probability given the log-probs alone.
        language: The log-probability given the language model alone; 0 without one.
        rescoring: That given the language model that rescores what the search found; 0 without one.
        frames: For each id, the half-open span (first, last + 1) of frames in which it was recognized.
        confidence: For each id, an estimate of the probability that it is correct; empty if not estimated.
        words: The words of the labelling; empty if the decoder does not search for words.
        word_frames: For each word, the span of its units.
        word_confidence: For each word, an estimate of the probability that it is correct.
    """

    ids: tuple[int, ...]
    score: float
    acoustic: float = 0.0
    language: float = 0.0
    frames: tuple[tuple[int, int], ...] = ()
    confidence: tuple[float, ...] = ()
    words: tuple[str, ...] = ()
    word_frames: tuple[tuple[int, int], ...] = ()
    word_confidence: tuple[float, ...] = ()
    rescoring: float = 0.0


class Decoder(Protocol):
    """Anything that turns log-probs (T, V) into hypotheses, best first; never an empty list."""

    def __call__(self, log_probs: LogProbs) -> list[Hypothesis]: ...  # noqa: D102


@dataclass(frozen=True)
class DecoderSettings:
    """What an entry of `asr.decoders.DECODERS` is: a frozen dataclass of one decoder's settings, checked when made.

    A subclass declares each setting as a field with `asr.support.settings.setting`: its default, its limits, its help
    text, and the values that `asr tune` tries. The command line, `asr tune`, result files and the report read them from
    there. A setting named `lm` is the path of a language model's ARPA file, and `asr tune` estimates one where neither
    it nor `rescore` is given.

    Attributes:
        name: Its key in the table.
        scores_words: Whether the decoder recognizes words, which are then scored; otherwise units are.
    """

    name: ClassVar[str]
    scores_words: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Check every setting; convert paths.

        Raises:
            AsrError: A value has the wrong type or is out of range, or a setting is useless without another.
        """
        for name, one in declared(self).items():
            value = getattr(self, name)
            if one.metadata["required"] and value is None:
                raise AsrError(f"decoder '{self.name}': needs a {name}; add {flag(name)} FILE ({one.metadata['help']})")
            value = checked(one.default, value, one.metadata, f"decoder '{self.name}': {name} {shown(value)}")
            object.__setattr__(self, name, value)
        for name, one in declared(self).items():
            needed = one.metadata["needs"]
            if needed and getattr(self, needed) is None and getattr(self, name) != one.default:
                what = f"decoder '{self.name}': {name} {getattr(self, name):g} has no effect without {needed}"
                raise AsrError(f"{what}; add {flag(needed)} FILE")

    def build(self, units: Units) -> Decoder:
        """Return the decoder with these settings, for a system's units.

        Raises:
            AsrError: A file cannot be used, or does not fit the units.
        """
        raise NotImplementedError

    @classmethod
    def takes_lm(cls) -> bool:
        """Whether it can use a language model."""
        return "lm" in declared(cls)

    @classmethod
    def tunable(cls) -> dict[str, tuple[Any, ...]]:
        """Return the settings that `asr tune` chooses, each with the values that it tries."""
        return {name: one.metadata["tune"] for name, one in declared(cls).items() if one.metadata["tune"]}


def flag(name: str) -> str:
    """Return the command line's option for a setting."""
    return f"--{name.replace('_', '-')}"


def collapse(path: Sequence[int]) -> tuple[int, ...]:
    """Return the labelling of a path: repeated units are merged, then blanks are removed.

    Source: A. Graves et al., "Connectionist temporal classification", ICML 2006, section 3.1, the map B.
    """
    return tuple(int(id) for id, before in zip(path, [0, *path], strict=False) if id not in (0, before))
