"""The panel of an utterance: words, phones, spectrogram and posteriorgram on a common time axis."""

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
GUTTER = 46.0  # pixels left of time 0, for axis labels
ROW = 14.0  # pixels from one row of labels to the next
ROWS = 3  # of labels, at most
LETTER = 7.0  # width of a letter, pixels
SPECTRUM, PLOT = 150.0, 120.0  # heights of spectrogram and posteriorgram, pixels
GAP = 12.0  # pixels between them
FAINT, VISIBLE, LABELED = 0.01, 0.05, 0.15  # probabilities above which a curve is traced, drawn, labeled

KINDS = {"s": "substitution", "d": "deletion", "i": "insertion"}


@dataclass(frozen=True)
class Pair:
    """An aligned pair of symbols.

    Attributes:
        reference: The reference symbol; None for an insertion.
        hypothesis: The recognized symbol; None for a deletion.
        segment: The reference's segment; None if unknown.
        spike: The hypothesis' segment; None for a deletion.
    """

    reference: str | None
    hypothesis: str | None
    segment: Segment | None = None
    spike: Segment | None = None

    @property
    def kind(self) -> str:
        """The error, a key of `KINDS`; empty for a hit."""
        return alignment.kind(self.reference, self.hypothesis)

    @property
    def description(self) -> str:
        """The pair as a phrase."""
        if not self.kind:
            return shown(self.hypothesis)
        return f"{KINDS[self.kind]}: {shown(self.reference)} recognized as {shown(self.hypothesis)}"


@dataclass(frozen=True)
class Label:
    """A text at (x, y); its kind is an error's, `word`, `other` (a unit that lost), `quiet` (not scored) or empty."""

    x: float
    y: float
    text: str
    title: str
    kind: str = ""


@dataclass(frozen=True)
class Band:
    """The time span of an error."""

    x: float
    width: float
    kind: str
    title: str


@dataclass(frozen=True)
class Curve:
    """One unit's probability while it is above `FAINT`."""

    points: str
    recognized: bool
    title: str


@dataclass(frozen=True)
class Picture:
    """An utterance's panel, laid out in pixels: the page draws it as SVG, asr/report/plots.py as PNG.

    Attributes:
        width: Of the whole panel.
        height: Of the whole panel.
        labels: Words, phones and the units of the spikes.
        boundaries: Where phones begin.
        bands: Errors.
        ink: The spectrogram as a data URI.
        spectrum: Top and height of the spectrogram.
        nyquist: The frequency at the top of the spectrogram, kHz.
        plot: Top and height of the posteriorgram.
        curves: The units' probabilities.
        blank: The probability of blank, as SVG's `points`.
        seconds: Ticks of the time axis: x and label.
        summary: A description in words.
        scale: Pixels per second.
        left: The x of time 0.
    """

    width: float
    height: float
    labels: tuple[Label, ...]
    boundaries: tuple[float, ...]
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
    """Return the x of a time."""
    return round(GUTTER + SCALE * seconds, 1)


def pairs(
    aligned: Alignment, phones: Sequence[Segment], hypothesis: Sequence[Segment], units: Units
) -> tuple[Pair, ...]:
    """Return an alignment with the times of both sides as far as they are known.

    Args:
        aligned: The alignment, in scored symbols.
        phones: The reference's phones of TIMIT's 61; empty if unknown.
        hypothesis: The hypothesis' units with the times of their spikes.
        units: The system's units.
    """
    scored = conventions.standard(units.kind)
    segments = iter([phone for phone in phones if fold([phone.symbol], 39)] if scored.level else [])
    spikes = iter([unit for unit in hypothesis if scored([unit.symbol])])
    return tuple(
        Pair(
            reference,
            symbol,
            next(segments, None) if reference is not None else None,
            next(spikes, None) if symbol is not None else None,
        )
        for reference, symbol in aligned.pairs
    )


def draw(
    utterance: Utterance,
    samples: Samples,
    aligned: Sequence[Pair],
    hypothesis: Sequence[Segment],
    posteriors: tuple[Sequence[float], npt.NDArray[np.floating]],
    units: Units,
    rate: int,
) -> Picture:
    """Return an utterance's panel.

    Args:
        utterance: The utterance, with its phones and words if they are known.
        samples: (S,).
        aligned: Reference and hypothesis.
        hypothesis: The hypothesis' units with the times of their spikes.
        posteriors: The frames' boundaries in seconds (T + 1,), and the log-probs (T, V).
        units: The system's units.
        rate: Samples per second.
    """
    words = _rows(_words(utterance.words), ROW)
    phones = _rows(_phones(utterance.phones, aligned), words.bottom)
    top = phones.bottom + 2
    traces = list(_curves(*posteriors, units, hypothesis))
    names = _rows(_spikes(aligned, traces), top + SPECTRUM + GAP + ROW)
    plot = names.bottom - ROW + 4
    seconds = len(samples) / rate
    return Picture(
        width=at(seconds) + 8,
        height=plot + PLOT + 22,
        labels=(*words.labels, *phones.labels, *names.labels),
        boundaries=tuple(at(phone.start) for phone in utterance.phones[1:]),
        bands=tuple(_bands(aligned)),
        ink=clips.spectrogram(samples, rate, 1 / SCALE),
        spectrum=(top, SPECTRUM),
        nyquist=rate / 2000,
        plot=(plot, PLOT),
        curves=tuple(Curve(_points(trace, plot), trace.recognized, trace.title) for trace in traces),
        blank=_line(posteriors[0], np.exp(posteriors[1][:, BLANK]), plot),
        seconds=tuple((at(tick), f"{tick:g}") for tick in np.arange(0, seconds, 0.5).tolist()),
        summary=_summary(utterance, aligned),
    )


@dataclass(frozen=True)
class _Rows:
    labels: tuple[Label, ...]
    bottom: float  # the baseline of the next row


@dataclass(frozen=True)
class _Trace:
    """A unit's probability over consecutive frames in which it is above `FAINT`."""

    symbol: str
    times: tuple[float, ...]
    values: tuple[float, ...]
    recognized: bool

    @property
    def peak(self) -> int:
        return int(np.argmax(self.values))

    @property
    def title(self) -> str:
        return f"{shown(self.symbol)}: {100 * max(self.values):.0f} % at {self.times[self.peak]:.2f} s"


def _rows(labels: Iterable[Label], first: float) -> _Rows:
    """Place each label in the first of `ROWS` rows where it overlaps no other; drop units that lost if none is free."""
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
    kinds = {pair.segment: pair.kind for pair in aligned if pair.segment}
    for phone in phones:
        scored = TO_39.get(phone.symbol, phone.symbol)
        folded = f"{phone.symbol}, scored as {scored}" if scored != phone.symbol else phone.symbol
        title = _when(Segment(folded, phone.start, phone.end))
        yield Label(at((phone.start + phone.end) / 2), 0, scored, title, kinds.get(phone, "quiet" if kinds else ""))


def _spikes(aligned: Iterable[Pair], traces: Iterable[_Trace]) -> Iterator[Label]:
    for pair in aligned:
        if pair.spike:
            centre = at((pair.spike.start + pair.spike.end) / 2)
            yield Label(centre, 0, str(pair.hypothesis), pair.description, pair.kind)
    for trace in traces:
        if not trace.recognized and max(trace.values) >= LABELED:
            yield Label(at(trace.times[trace.peak]), 0, trace.symbol, trace.title, "other")


def _bands(aligned: Iterable[Pair]) -> Iterator[Band]:
    """Yield each error's time span: the reference's if known, else the hypothesis'."""
    for pair in aligned:
        where = pair.segment or pair.spike
        if pair.kind and where:
            yield Band(at(where.start), max(4.0, SCALE * (where.end - where.start)), pair.kind, pair.description)


def _when(segment: Segment) -> str:
    return f"{segment.symbol}, {segment.start:.3f} to {segment.end:.3f} s"


def _curves(
    times: Sequence[float], log_probs: npt.NDArray[np.floating], units: Units, hypothesis: Sequence[Segment]
) -> Iterator[_Trace]:
    """Yield each span in which a unit is above `FAINT` and peaks at `VISIBLE` or more."""
    centres = (np.asarray(times[1:]) + np.asarray(times[:-1])) / 2
    probabilities = np.exp(log_probs)
    for id, symbol in enumerate(units.symbols):
        above = np.flatnonzero(probabilities[:, id] > FAINT)
        for frames in np.split(above, np.flatnonzero(np.diff(above) > 1) + 1):
            if id != BLANK and len(frames) and probabilities[frames, id].max() >= VISIBLE:
                own = any(
                    unit.symbol == symbol and unit.start < times[frames[-1] + 1] and unit.end > times[frames[0]]
                    for unit in hypothesis
                )
                yield _Trace(symbol, tuple(centres[frames].tolist()), tuple(probabilities[frames, id].tolist()), own)


def _points(trace: _Trace, top: float) -> str:
    """Return a trace as a polygon on the axis, as SVG's `points`."""
    first, last = at(trace.times[0]) - 2, at(trace.times[-1]) + 2
    bottom = top + PLOT
    return f"{first:.1f},{bottom:.1f} {_through(trace.times, trace.values, top)} {last:.1f},{bottom:.1f}"


def _line(times: Sequence[float], values: npt.NDArray[np.floating], top: float) -> str:
    centres = (np.asarray(times[1:]) + np.asarray(times[:-1])) / 2
    return _through(centres.tolist(), values.tolist(), top)


def _through(times: Sequence[float], values: Sequence[float], top: float) -> str:
    return " ".join(f"{at(time):.1f},{top + PLOT * (1 - value):.1f}" for time, value in zip(times, values, strict=True))


def _summary(utterance: Utterance, aligned: Sequence[Pair]) -> str:
    wrong = [pair.description for pair in aligned if pair.kind]
    errors = "; ".join(wrong) if wrong else "no errors"
    return f"Spectrogram and posteriorgram of {utterance.id}, {utterance.seconds:.2f} s: {errors}"
