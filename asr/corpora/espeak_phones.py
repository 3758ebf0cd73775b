"""From eSpeak's phoneme marks to TIMIT's phones: the symbols, and where each begins.

eSpeak's marks are exact to the sample and need no correction, but follow their own rules:

* A stop after a vowel is marked where its closure begins (`b d g jh`), any other stop at its release: its closure is
  the silence before.
* An `l` or `r` at the end of a syllable is part of the vowel before it: its own segment is empty or silent.
* A vowel after `l m n ng r` is marked when it is reached, after the glide into it.

So closure and release are separated by level, and a vowel that contains two phones is split where the spectrum changes
most. These boundaries are accurate to about 4 ms, all others to the sample.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from asr.audio import Samples
from asr.errors import AsrError

RATE = 16_000  # Hz, TIMIT's
STEP = 16  # samples between two possible boundaries: 1 ms
PAUSE = "_"

# eSpeak's sounds, in the IPA it reports for the accent at hand, and TIMIT's symbols for them. A symbol states what is
# heard, as TIMIT's transcribers did: the vowel of `strut` is `uh` in Lancaster, `ah` elsewhere.
SOUNDS: dict[str, str] = {
    **{"ɑː": "aa", "ɒ": "aa", "aː": "aa", "a:": "aa", "ɑːɹ": "aa r", "æ": "ae", "a": "ae", "ʌ": "ah", "ʌɹ": "ah r"},
    **{"ɔ": "ao", "ɔː": "ao", "o": "ao", "ɔːɹ": "ao r", "ɔɪ": "oy"},
    **{"aʊ": "aw", "æʊ": "aw", "ʌʉ": "aw", "aɪ": "ay", "aɪə": "ay ax", "aɪɚ": "ay axr"},
    **{"ə": "ax", "ɐ": "ax", "ɜ": "ax", "əɹ": "ax r", "ɚ": "axr", "ɜː": "er"},
    **{"ɛ": "eh", "e": "eh", "eə": "eh", "ɛɹ": "eh r", "eɪ": "ey", "eː": "ey"},
    **{"ɪ": "ih", "ɪɹ": "ih r", "ᵻ": "ix", "iː": "iy", "i": "iy", "iə": "iy ax"},
    **{"oʊ": "ow", "əʊ": "ow", "oː": "ow"},
    **{"ʊ": "uh", "ʊɹ": "uh r", "ʊə": "uh ax", "uː": "uw", "ʉ": "ux", "ʉː": "ux", "ʉɹ": "ux r"},
    **{"b": "bcl b", "d": "dcl d", "ɡ": "gcl g", "dʒ": "dcl jh"},
    **{"p": "pcl p", "t": "tcl t", "k": "kcl k", "tʃ": "tcl ch", "ɾ": "dx", "ʔ": "q"},
    **{"f": "f", "v": "v", "θ": "th", "ð": "dh", "s": "s", "z": "z", "ʃ": "sh", "ʒ": "zh", "h": "hh"},
    **{
        "m": "m",
        "n": "n",
        "n̩": "en",
        "ŋ": "ng",
        "l": "l",
        "əl": "el",
        "r": "r",
        "ɹ": "r",
        "w": "w",
        "ʍ": "w",
        "j": "y",
    },
    "": "",  # a glide between two vowels, or a schwa of no length: the end of the phone before
}

_VOWELS = {"aa", "ae", "ah", "ao", "aw", "ax", "axr", "ay", "eh", "el", "er", "ey"}
_VOWELS |= {"en", "ih", "ix", "iy", "ow", "oy", "uh", "uw", "ux"}
_PREVOICED = {"bcl", "dcl", "gcl"}
_SYLLABIC = {"n": "en", "m": "em"}

_FADE = 5.0  # dB; a silence is at least so far below the sound before it; an echo may fill it
_RISE = 2.0  # dB; a release is at least so far above its voiced closure
_MAX_DROP = 12.0  # dB; an l or r further below its vowel has no segment of its own; an echo is at least 16 below
_SHORTEST = 5  # steps, of a silence
_REACH = 90  # steps; how far back a silence is searched
_CLOSURE = 0.65  # as a fraction of a stop after a vowel, if no release is detected
_SCHWA = 44  # steps, less than TIMIT's mean of 49; a shorter one before a nasal of its word is the nasal's: `en`, `em`
_FLOOR = 1e-6  # of the loudest moment's energy; what is quieter counts as silent

_Levels = npt.NDArray[np.float64]


class Mark(NamedTuple):
    """The start of a sound: sample, eSpeak's IPA without stress (or PAUSE), the word's index (−1 in a pause)."""

    start: int
    ipa: str
    word: int


class Phone(NamedTuple):
    """A TIMIT symbol, its first sample and the one after its last, and the index of its word (−1 in silence)."""

    symbol: str
    start: int
    end: int
    word: int


def symbols(ipa: str) -> list[str]:
    """Return TIMIT's symbols for a sound.

    Raises:
        AsrError: No symbol is known for it.
    """
    if ipa not in SOUNDS:
        raise AsrError(f"eSpeak's sound '{ipa}' has no TIMIT symbol; add it to SOUNDS in asr/corpora/espeak_phones.py")
    return SOUNDS[ipa].split()


def phones(samples: Samples, marks: list[Mark]) -> list[Phone]:
    """Return the phones of an utterance, contiguous from 0 to its last sample, `h#` first and last.

    Args:
        samples: (S,) at 16 kHz, without added noise.
        marks: In order of time; the last is a pause.

    Raises:
        AsrError: A sound has no TIMIT symbol.
    """
    levels = _levels(samples)
    result = [Phone(PAUSE, 0, marks[0].start, -1)]
    ends = [*(mark.start for mark in marks[1:]), len(samples)]
    after_vowel = False
    for mark, end in zip(marks, ends, strict=True):
        _add(result, mark, end, after_vowel, levels, samples)
        if mark.ipa:
            after_vowel = mark.ipa != PAUSE and symbols(mark.ipa)[0] in _VOWELS
    return _named(_syllabic([phone for phone in result if phone.end > phone.start]))


def _add(result: list[Phone], mark: Mark, end: int, after_vowel: bool, levels: _Levels, samples: Samples) -> None:
    """Append the phones of a mark, and shorten the phone before it accordingly."""
    start, ipa, word = mark
    before = result[-1]
    names = [PAUSE] if ipa == PAUSE else symbols(ipa)
    if not names or names[0] == before.symbol == PAUSE:
        result[-1] = before._replace(end=end)
    elif names[0].endswith("cl"):
        boundary, burst = _stop(before, start, end, after_vowel and names[0] in _PREVOICED, levels)
        result[-1] = before._replace(end=boundary)
        result += [Phone(names[0], boundary, burst, word), Phone(names[1], burst, end, word)]
    elif names[0] == "q":
        boundary = _silence(levels, before.start, start)
        result[-1] = before._replace(end=boundary)
        result.append(Phone("q", boundary, end, word))
    elif names[0] in "lr" and before.symbol in _VOWELS and _is_mute(levels, before, start, end):
        boundary = _change(samples, before.start, start)
        result[-1] = before._replace(end=boundary)
        result.append(Phone(names[0], boundary, end, word))
    elif len(names) == 2:
        boundary = _change(samples, start, _silence(levels, start, end, 4 * _FADE))
        result += [Phone(names[0], start, boundary, word), Phone(names[1], boundary, end, word)]
    else:
        result.append(Phone(names[0], start, end, word))


def _stop(before: Phone, start: int, end: int, prevoiced: bool, levels: _Levels) -> tuple[int, int]:
    """Return where a stop's closure and its release begin; after a pause the closure cannot be separated from it."""
    if before.symbol == PAUSE:
        return start, start
    if not prevoiced:
        silence = _silence(levels, before.start, start)
        return (silence if silence < start else max(before.start, start - _SHORTEST * STEP)), start
    return start, start + STEP * _burst(levels[start // STEP : end // STEP])


def _burst(levels: _Levels) -> int:
    """Return the step of a release: the beginning of the loud part in the best division into low, loud and low."""
    count = len(levels)
    total = np.concatenate([[0.0], np.cumsum(levels - levels.mean())])
    first, last = np.triu_indices(count, count // 8 + 1)
    sums = np.stack([total[first], total[last] - total[first], total[-1] - total[last]])
    sizes = np.stack([first, last - first, count - last])
    means = sums / np.maximum(sizes, 1)
    gain = (sums * means).sum(0)
    gain[(means[1] - means[0] < _RISE) | (means[1] < means[2]) | (first < count // 4)] = -1.0
    best = int(np.argmax(gain))
    return int(first[best]) if gain[best] > 0 else round(_CLOSURE * count)


def _silence(levels: _Levels, start: int, end: int, fade: float = _FADE) -> int:
    """Return where the silence at the end of a segment begins; its end if there is none."""
    segment = levels[max(start // STEP, end // STEP - _REACH) : end // STEP]
    if len(segment) <= 2 * _SHORTEST:
        return end
    cut = _best_cut(segment[:, None], _SHORTEST)
    return end - STEP * (len(segment) - cut) if segment[:cut].mean() - segment[cut:].mean() > fade else end


def _is_mute(levels: _Levels, before: Phone, start: int, end: int) -> bool:
    own = levels[start // STEP : end // STEP]
    return len(own) < _SHORTEST or bool(levels[before.start // STEP : start // STEP].mean() - own.mean() > _MAX_DROP)


def _change(samples: Samples, start: int, end: int) -> int:
    """Return where a segment is best split into two sounds: the least spectral variance on both sides."""
    width, bands = 16 * STEP, 12
    count = max((end - start) // STEP, 2)
    reach = np.pad(samples[start:end], (width // 2, width // 2 + count * STEP))
    frames = np.lib.stride_tricks.sliding_window_view(reach, width)[: count * STEP : STEP]
    power = np.abs(np.fft.rfft(np.diff(frames, axis=1) * np.hanning(width - 1), 2 * width)) ** 2
    edges = np.unique(np.geomspace(6, 2 * width * 5000 // RATE, bands + 1).astype(int))
    spectra = np.log(np.add.reduceat(power, edges, axis=1)[:, :-1] + _FLOOR)
    return start + _best_cut(spectra, max(count // 5, 1)) * STEP


def _best_cut(track: _Levels, margin: int) -> int:
    """Return the index that splits (T, D) into two parts of least variance, each at least `margin` long."""
    total = np.cumsum(track - track.mean(0), axis=0)
    cuts = np.arange(1, len(track))
    gain = (total[:-1] ** 2).sum(1) / (cuts * (len(track) - cuts))
    inside = slice(margin - 1, len(gain) - margin + 1)
    return margin + int(np.argmax(gain[inside]))


def _levels(samples: Samples) -> _Levels:
    """Return (S // STEP,) levels in dB of 4 ms windows; pre-emphasis keeps voicing from filling a closure."""
    energy = np.diff(samples.astype(np.float64), prepend=0.0) ** 2
    total = np.concatenate([[0.0], np.cumsum(np.pad(energy, (3 * STEP // 2, 3 * STEP // 2 + STEP)))])
    windows = (total[4 * STEP :] - total[: -4 * STEP])[: len(samples) : STEP]
    levels: _Levels = 10 * np.log10(windows + _FLOOR * windows.max() + 1e-12)
    return levels


def _syllabic(result: list[Phone]) -> list[Phone]:
    joined: list[Phone] = []
    for phone in result:
        schwa = joined[-1] if joined else phone
        if phone.symbol in _SYLLABIC and (schwa.symbol, schwa.word) == ("ax", phone.word):
            if schwa.end - schwa.start < _SCHWA * STEP:
                joined[-1] = Phone(_SYLLABIC[phone.symbol], schwa.start, phone.end, phone.word)
                continue
        joined.append(phone)
    return joined


def _named(result: list[Phone]) -> list[Phone]:
    ends = (0, len(result) - 1)
    return [
        phone._replace(symbol="h#" if index in ends else "pau") if phone.symbol == PAUSE else phone
        for index, phone in enumerate(result)
    ]
