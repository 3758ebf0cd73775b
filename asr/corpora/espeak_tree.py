"""Writes TIMIT's layout: audio, phones, words and text of an utterance, the dictionary, the table of speakers."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from asr.corpora import sentences
from asr.corpora.espeak_phones import RATE, Phone
from asr.corpora.espeak_recording import write_audio
from asr.corpora.espeak_speakers import Speaker

TOPS = {"train": "TRAIN", "dev": "TEST", "test": "TEST"}

_NO_SOUND = {"pau", "h#", "q", "bcl", "dcl", "gcl", "pcl", "tcl", "kcl"}  # not in a dictionary
_DICTIONARY = """; How the words of this tree are said: those of its TRAIN part as they were spoken there, the others of
; the word list as en-us says them. A word said in several ways has several lines.
"""
_SPEAKERS = """; The speakers are eSpeak NG's voices. DR is the accent; the comment gives eSpeak's name for the voice,
; words a minute, pitch and its range (50 is the voice's own).
;ID  Sex DR Use  RecDate   BirthDate  Ht    Race Edu  Comments
;--- --- -- ---  --------  --------- -----  ---- ---  -------------------
"""


def write_utterance(
    folder: Path, number: int, sentence: str, samples: npt.NDArray[np.int16], phones: list[Phone]
) -> None:
    """Write the four files of an utterance, named `SI` if it contains a pause, else `SX`."""
    stem = folder / f"{'SI' if ',' in sentence else 'SX'}{number}"
    write_audio(stem.with_suffix(".WAV"), samples, RATE)
    words = spans(sentence, phones)
    _write(stem.with_suffix(".PHN"), [f"{phone.start} {phone.end} {phone.symbol}" for phone in phones])
    _write(stem.with_suffix(".WRD"), [f"{own[0].start} {own[-1].end} {word}" for word, own in words])
    _write(stem.with_suffix(".TXT"), [f"0 {len(samples)} {sentence}"])


def spans(sentence: str, phones: list[Phone]) -> list[tuple[str, list[Phone]]]:
    """Return a sentence's words, each with its phones."""
    return [
        (word, [phone for phone in phones if phone.word == index])
        for index, word in enumerate(sentences.words(sentence))
    ]


def pronunciation(symbols: Iterable[str]) -> str:
    """Return TIMIT's symbols as in a dictionary: without closures, silence and glottal stops."""
    return " ".join(symbol for symbol in symbols if symbol not in _NO_SOUND)


def write_dictionary(folder: Path, entries: Iterable[tuple[str, str]]) -> None:
    """Write TIMITDIC.TXT: `word  /p r ah n/`, one line per pronunciation."""
    lines = [f"{word}  /{phones}/" for word, phones in sorted(set(entries))]
    _write(folder / "TIMITDIC.TXT", [_DICTIONARY + "\n".join(lines)])


def write_speakers(folder: Path, cast: Iterable[tuple[str, Speaker]]) -> None:
    """Write SPKRINFO.TXT from the sets and their speakers."""
    lines = [
        f"{who.id[1:].upper()}  {who.id[0].upper()}  {who.dialect}  {'TRN' if set_ == 'train' else 'TST'}"
        f"  ??/??/??  ??/??/??  ?'??\"  ???  ??   {who.voice}"
        f" {who.rate} {who.pitch} {who.range}"
        for set_, who in sorted(cast, key=lambda row: (row[1].dialect, row[1].id))
    ]
    _write(folder / "SPKRINFO.TXT", [_SPEAKERS + "\n".join(lines)])


def _write(path: Path, lines: list[str]) -> None:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
