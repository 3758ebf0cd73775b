"""One utterance as a picture: words and phones, spectrogram, posteriorgram, all above one another on one time axis."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asr.audio import Samples
from asr.manifest import Segment, Utterance
from asr.phones import TO_39, fold
from asr.report import clips
from asr.report.confusions import shown
from asr.scoring import alignment, conventions
from asr.scoring.alignment import Alignment
from asr.units import BLANK, Units

SCALE = 320.0  # pixels per second
GUTTER = 46.0  # pixels left of time 0, for the names of what is shown
ROW = 14.0  # pixels from one row of labels to the next
ROWS = 3  # of labels, at the most
LETTER = 7.0  # pixels that a letter of a label takes
SPECTRUM, PLOT = 150.0, 120.0  # heights of spectrogram and posteriorgram, pixels
GAP = 12.0  # pixels between them
FAINT, SEEN, NAMED = 0.01, 0.05, 0.15  # probabilities from which on a curve is followed, is drawn, has a name

KINDS = {"s": "substitution", "d": "deletion", "i": "insertion"}


@dataclass(frozen=True)
class Pair:
    """A place of an alignment.

    Attributes:
        reference: What was said; None at an insertion.
        heard: What was recognised; None at a deletion.
        said: When it was said; None where none knows.
        spike: When it was heard; None at a deletion.
    """

    reference: str | None
    heard: str | None
    said: Segment | None = None
    spike: Segment | None = None

    @property
    def kind(self) -> str:
        """The error, one of `KINDS`; empty for none."""
        return alignment.kind(self.reference, self.heard)

    @property
    def told(self) -> str:
        """The pair in words."""
        if not self.kind:
            return shown(self.heard)
        return f"{KINDS[self.kind]}: {shown(self.reference)} heard as {shown(self.heard)}"


@dataclass(frozen=True)
class Label:
    """A word at a place; its kind is an error's, `word`, `other` (what lost), `quiet` (what is not scored) or empty."""

    x: float
    y: float
    text: str
    title: str
    kind: str = ""


@dataclass(frozen=True)
class Band:
    """A stretch of time in which something went wrong."""

    x: float
    width: float
    kind: str
    title: str


@dataclass(frozen=True)
class Curve:
    """One unit's probability while it is not next to nothing."""

    points: str
    heard: bool
    title: str


@dataclass(frozen=True)
class Picture:
    """Everything that the page draws of an utterance, in pixels.

    Attributes:
        width: Of the whole.
        height: Of the whole.
        labels: Words, phones and the spikes' units.
        borders: Where phones begin.
        bands: Errors.
        ink: The spectrogram's data URI.
        spectrum: Its top and height.
        nyquist: The frequency at the spectrogram's top, kHz.
        plot: The posteriorgram's top and height.
        curves: The units' probabilities.
        blank: The blank's, as SVG's `points`.
        seconds: Ticks of the time axis: place and label.
        summary: The picture in words.
        scale: Pixels per second.
        left: Where time begins.
    """

    width: float
    height: float
    labels: tuple[Label, ...]
    borders: tuple[float, ...]
    bands: tuple[Band, ...]
    ink: str
    spectrum: tuple[float, float]
    nyquist: float
    plot: tuple[float, float]
    curves: tuple[Curve, ...]
    blank: str
    seconds: tuple[tuple[float, str], ...]
    summary: str
    scale: float = SCALE
    left: float = GUTTER


def at(seconds: float) -> float:
    """Return where a time lies, pixels from the left."""
    return round(GUTTER + SCALE * seconds, 1)


def pairs(aligned: Alignment, phones: Sequence[Segment], heard: Sequence[Segment], units: Units) -> tuple[Pair, ...]:
    """Return an alignment with the times of both sides where they are known.

    Args:
        aligned: In scored symbols.
        phones: The reference's, TIMIT's 61; empty where unknown.
        heard: The hypothesis' units with their spikes.
        units: The system's.
    """
    scored = conventions.standard(units.kind)
    said = iter([phone for phone in phones if fold([phone.symbol], 39)] if scored.level else [])
    spikes = iter([unit for unit in heard if scored([unit.symbol])])
    return tuple(
        Pair(
            reference,
            symbol,
            next(said, None) if reference is not None else None,
            next(spikes, None) if symbol is not None else None,
        )
        for reference, symbol in aligned.pairs
    )


def draw(
    utterance: Utterance,
    samples: Samples,
    aligned: Sequence[Pair],
    heard: Sequence[Segment],
    posteriors: tuple[Sequence[float], npt.NDArray[np.floating]],
    units: Units,
    rate: int,
) -> Picture:
    """Return an utterance's picture.

    Args:
        utterance: With its phones and words where they are known.
        samples: (S,).
        aligned: Reference and hypothesis.
        heard: The hypothesis' units with their spikes.
        posteriors: When each frame begins, seconds (T + 1,), and the log-probs (T, V).
        units: The system's.
        rate: Of the samples, Hz.
    """
    words = _rows(_words(utterance.words), ROW)
    phones = _rows(_phones(utterance.phones, aligned), words.bottom)
    top = phones.bottom + 2
    found = list(_curves(*posteriors, units, heard))
    names = _rows(_spikes(aligned, found), top + SPECTRUM + GAP + ROW)
    plot = names.bottom - ROW + 4
    seconds = len(samples) / rate
    return Picture(
        width=at(seconds) + 8,
        height=plot + PLOT + 22,
        labels=(*words.labels, *phones.labels, *names.labels),
        borders=tuple(at(phone.start) for phone in utterance.phones[1:]),
        bands=tuple(_bands(aligned)),
        ink=clips.spectrogram(samples, rate, 1 / SCALE),
        spectrum=(top, SPECTRUM),
        nyquist=rate / 2000,
        plot=(plot, PLOT),
        curves=tuple(Curve(_points(run, plot), run.heard, run.title) for run in found),
        blank=_line(posteriors[0], np.exp(posteriors[1][:, BLANK]), plot),
        seconds=tuple((at(tick), f"{tick:g}") for tick in np.arange(0, seconds, 0.5).tolist()),
        summary=_summary(utterance, aligned),
    )


@dataclass(frozen=True)
class _Rows:
    labels: tuple[Label, ...]
    bottom: float  # the baseline of the next row


@dataclass(frozen=True)
class _Run:
    """Consecutive frames in which a unit is more than `FAINT`."""

    symbol: str
    times: tuple[float, ...]
    values: tuple[float, ...]
    heard: bool

    @property
    def peak(self) -> int:
        return int(np.argmax(self.values))

    @property
    def title(self) -> str:
        return f"{shown(self.symbol)}: {100 * max(self.values):.0f} % at {self.times[self.peak]:.2f} s"


def _rows(labels: Iterable[Label], first: float) -> _Rows:
    """Put labels into the first of `ROWS` rows in which they touch no other; of what lost, only what finds one."""
    taken: list[list[tuple[float, float]]] = []
    placed = []
    for label in sorted(labels, key=lambda label: (label.kind == "other", label.x)):
        half = LETTER * len(label.text) / 2 + 1
        left, right = label.x - half, label.x + half
        free = (row for row, spans in enumerate(taken) if all(right <= start or end <= left for start, end in spans))
        row = next(free, len(taken))
        if row == ROWS and label.kind == "other":
            continue
        row = min(row, ROWS - 1)
        if row == len(taken):
            taken.append([])
        taken[row].append((left, right))
        placed.append(Label(label.x, first + ROW * row, label.text, label.title, label.kind))
    return _Rows(tuple(placed), first + ROW * len(taken))


def _words(words: Iterable[Segment]) -> Iterator[Label]:
    for word in words:
        yield Label(at((word.start + word.end) / 2), 0, word.symbol, _when(word), "word")


def _phones(phones: Iterable[Segment], aligned: Iterable[Pair]) -> Iterator[Label]:
    kinds = {pair.said: pair.kind for pair in aligned if pair.said}
    for phone in phones:
        scored = TO_39.get(phone.symbol, phone.symbol)
        folded = f"{phone.symbol}, scored as {scored}" if scored != phone.symbol else phone.symbol
        title = _when(Segment(folded, phone.start, phone.end))
        yield Label(at((phone.start + phone.end) / 2), 0, scored, title, kinds.get(phone, "quiet" if kinds else ""))


def _spikes(aligned: Iterable[Pair], runs: Iterable[_Run]) -> Iterator[Label]:
    for pair in aligned:
        if pair.spike:
            centre = at((pair.spike.start + pair.spike.end) / 2)
            yield Label(centre, 0, str(pair.heard), pair.told, pair.kind)
    for run in runs:
        if not run.heard and max(run.values) >= NAMED:
            yield Label(at(run.times[run.peak]), 0, run.symbol, run.title, "other")


def _bands(aligned: Iterable[Pair]) -> Iterator[Band]:
    """Yield where each error is: on what was said where that is known, else on what was heard."""
    for pair in aligned:
        where = pair.said or pair.spike
        if pair.kind and where:
            yield Band(at(where.start), max(4.0, SCALE * (where.end - where.start)), pair.kind, pair.told)


def _when(segment: Segment) -> str:
    return f"{segment.symbol}, {segment.start:.3f} to {segment.end:.3f} s"


def _curves(
    times: Sequence[float], log_probs: npt.NDArray[np.floating], units: Units, heard: Sequence[Segment]
) -> Iterator[_Run]:
    """Yield every stretch in which a unit is more than faint, and at its peak worth seeing."""
    centres = (np.asarray(times[1:]) + np.asarray(times[:-1])) / 2
    probabilities = np.exp(log_probs)
    for id, symbol in enumerate(units.symbols):
        above = np.flatnonzero(probabilities[:, id] > FAINT)
        for frames in np.split(above, np.flatnonzero(np.diff(above) > 1) + 1):
            if id != BLANK and len(frames) and probabilities[frames, id].max() >= SEEN:
                own = any(
                    unit.symbol == symbol and unit.start < times[frames[-1] + 1] and unit.end > times[frames[0]]
                    for unit in heard
                )
                yield _Run(symbol, tuple(centres[frames].tolist()), tuple(probabilities[frames, id].tolist()), own)


def _points(run: _Run, top: float) -> str:
    """Return a run as a closed curve that stands on the axis."""
    first, last = at(run.times[0]) - 2, at(run.times[-1]) + 2
    bottom = top + PLOT
    return f"{first:.1f},{bottom:.1f} {_through(run.times, run.values, top)} {last:.1f},{bottom:.1f}"


def _line(times: Sequence[float], values: npt.NDArray[np.floating], top: float) -> str:
    centres = (np.asarray(times[1:]) + np.asarray(times[:-1])) / 2
    return _through(centres.tolist(), values.tolist(), top)


def _through(times: Sequence[float], values: Sequence[float], top: float) -> str:
    return " ".join(f"{at(time):.1f},{top + PLOT * (1 - value):.1f}" for time, value in zip(times, values, strict=True))


def _summary(utterance: Utterance, aligned: Sequence[Pair]) -> str:
    wrong = [pair.told for pair in aligned if pair.kind]
    errors = "; ".join(wrong) if wrong else "no errors"
    return f"Spectrogram and posteriorgram of {utterance.id}, {utterance.seconds:.2f} s: {errors}"
