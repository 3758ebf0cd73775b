"""The eSpeak NG library through ctypes (its speak_lib.h): languages, speech with phoneme times, pronunciations.

eSpeak NG is GPL-3.0 and is loaded in this file only.
"""

import ctypes
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import NamedTuple

import numpy as np

from asr.audio import Samples, resample
from asr.corpora import sentences
from asr.corpora.espeak_phones import PAUSE, RATE, Mark, symbols
from asr.corpora.espeak_speakers import ACCENTS, Speaker
from asr.corpora.espeak_tree import pronunciation
from asr.errors import AsrError

_SYNCHRONOUS, _PHONEMES_IN_IPA, _UTF8 = 2, 3, 1
_LIST_END, _WORD, _PHONEME = 0, 1, 7
_RATE, _VOLUME, _PITCH, _RANGE = 1, 2, 3, 4
_HEADROOM = 50  # of 100; at 100 some voices clip
_IPA_WITH_BARS = 2 | ord("|") << 8
_SWITCH = re.compile(r"\([\w-]+\)")  # to the voice of another language and back
_NO_STRESS = str.maketrans("", "", "ˈˌ ")


class _Id(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    ]


class _Voice(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_void_p),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("unused", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    ]


class _Spoken(NamedTuple):
    """What eSpeak reports while it speaks: kind, sample, the phoneme's name, and the index of a character."""

    kind: int
    sample: int
    name: bytes
    position: int


_RECEIVE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(_Event))


@contextmanager
def loaded() -> Iterator[tuple[ctypes.CDLL, int]]:
    """Load eSpeak, yield the library and its sampling rate in Hz, and unload it.

    Pitch, flutter and echo carry over from one utterance to the next and cannot be reset; loading the library anew for
    each (0.5 ms) makes an utterance independent of those before it, and so of the number of workers.

    Raises:
        AsrError: espeakng-loader is not installed, or its data cannot be read.
    """
    try:
        import espeakng_loader
    except ImportError:
        raise AsrError('espeak: espeakng-loader is not installed; `pip install "asr[synth]"`') from None
    import _ctypes

    library = ctypes.CDLL(str(espeakng_loader.get_library_path()))
    data = str(espeakng_loader.get_data_path())
    rate = library.espeak_Initialize(_SYNCHRONOUS, 0, data.encode(), _PHONEMES_IN_IPA)
    try:
        if rate <= 0:
            raise AsrError(f"{data}: eSpeak NG cannot read its data; install espeakng-loader again")
        library.espeak_ng_SetRandSeed(ctypes.c_long(1))  # otherwise the clock seeds the breathiness of a voice
        yield library, rate
    finally:
        library.espeak_Terminate()
        _ctypes.dlclose(library._handle)


def version() -> str:
    """Return the version of eSpeak NG.

    Raises:
        AsrError: It is not installed, or its data cannot be read.
    """
    with loaded() as (library, _):
        return _version(library)


def languages() -> dict[str, str]:
    """Return the voices that speak a language, by the language's code; a voice's own name is one too.

    Raises:
        AsrError: eSpeak is not installed, or its data cannot be read.
    """
    own: dict[str, str] = {}
    others: dict[str, str] = {}
    with loaded() as (library, _):
        library.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_Voice))
        listed = library.espeak_ListVoices(None)
        index = 0
        while listed[index]:
            voice = listed[index].contents
            name = voice.identifier.decode().rpartition("/")[2].lower()  # a file's, by which it can be set
            own[name] = name
            for code in _codes(voice.languages):
                others.setdefault(code.lower(), name)
            index += 1
    return others | own


def _codes(address: int) -> Iterator[str]:
    """Yield the codes of a voice's languages: each is a byte of priority and a string, and an empty one is the end."""
    while ctypes.string_at(address, 1) != b"\0":
        code = ctypes.string_at(address + 1)
        yield code.decode()
        address += len(code) + 2


def speak(sentence: str, speaker: Speaker) -> tuple[Samples, list[Mark]]:
    """Synthesize a sentence; return the speech at 16 kHz and eSpeak's phoneme marks, the last of them a pause.

    Raises:
        AsrError: eSpeak is missing, lacks the voice, or merges words of the sentence.
    """
    samples, rate, events = _synthesize(sentence, speaker)
    spoken, written = sum(event.kind == _WORD for event in events), len(sentences.words(sentence))
    if spoken != written:
        raise AsrError(
            f"'{sentence}': {speaker.voice} speaks {spoken} words instead of {written}; install espeakng-loader 0.2"
        )
    return samples, _marks(events, RATE / rate)


def speak_any(text: str, speaker: Speaker) -> tuple[Samples, list[Mark], list[int]]:
    """Synthesize any text; return the speech at 16 kHz, eSpeak's phoneme marks, and where its words begin in the text.

    The marks are in eSpeak's IPA for the language, and their words are eSpeak's: it joins some that are written apart
    and divides others.

    Raises:
        AsrError: eSpeak is missing or lacks the voice.
    """
    samples, rate, events = _synthesize(text, speaker)
    return samples, _marks(events, RATE / rate), [event.position for event in events if event.kind == _WORD]


def _synthesize(text: str, speaker: Speaker) -> tuple[Samples, int, list[_Spoken]]:
    """Return the speech at 16 kHz, and the library's own rate with its events at that rate."""
    blocks: list[bytes] = []
    events: list[_Spoken] = []

    def receive(samples: int, count: int, received: Sequence[_Event]) -> int:
        if count > 0:
            blocks.append(ctypes.string_at(samples, 2 * count))
        index = 0
        while (kind := (event := received[index]).type) != _LIST_END:
            name = event.id.string if kind == _PHONEME else b""
            events.append(_Spoken(kind, event.sample, name, event.text_position - 1))
            index += 1
        return 0

    callback = _RECEIVE(receive)
    settings = {_RATE: speaker.rate, _VOLUME: _HEADROOM, _PITCH: speaker.pitch, _RANGE: speaker.range}
    with loaded() as (library, rate):
        library.espeak_SetSynthCallback(callback)
        _set_voice(library, speaker.voice)
        for setting, value in settings.items():
            library.espeak_SetParameter(setting, value, 0)
        encoded = text.encode()
        library.espeak_Synth(encoded, len(encoded) + 1, 0, 1, 0, _UTF8, None, None)
    samples = (np.frombuffer(b"".join(blocks), np.int16) / 32768).astype(np.float32)
    return resample(samples, rate, RATE), rate, events


def _marks(events: list[_Spoken], scale: float) -> list[Mark]:
    """Return the phonemes among the events; two or more without a sound are a pause, a single one is a glide."""
    word = -1
    marks: list[Mark] = []
    for kind, sample, name, _ in events:
        if kind == _WORD:
            word += 1
        elif kind == _PHONEME:
            marks.append(Mark(round(sample * scale), _plain(name), word))
    joined: list[Mark] = []
    for silent, run in groupby(marks, lambda mark: not mark.ipa):
        first, *rest = run
        joined += [Mark(first.start, PAUSE, -1)] if silent and rest else [first, *rest]
    return joined


def pronunciations(words: list[str]) -> list[tuple[str, str]]:
    """Return words with their pronunciations in the first accent."""
    if not words:
        return []
    with loaded() as (library, _):
        _set_voice(library, ACCENTS[0])
        library.espeak_TextToPhonemes.restype = ctypes.c_char_p
        return [(word, pronunciation(_symbols(library, word))) for word in words]


def sounds(words: list[str], voice: str) -> list[str]:
    """Return how a voice pronounces words, in IPA without stress.

    Raises:
        AsrError: eSpeak is missing or lacks the language.
    """
    with loaded() as (library, _):
        _set_voice(library, voice)
        library.espeak_TextToPhonemes.restype = ctypes.c_char_p
        return [_transcribed(library, word) for word in words]


def _transcribed(library: ctypes.CDLL, text: str) -> str:
    """Return a text's phonemes; the library returns them clause by clause, and moves the pointer on."""
    rest, clauses = ctypes.c_char_p(text.encode()), []
    while rest.value:
        ipa: bytes = library.espeak_TextToPhonemes(ctypes.byref(rest), _UTF8, _PHONEMES_IN_IPA)
        clauses.append(ipa.decode().translate(_NO_STRESS))
    return _SWITCH.sub("", "".join(clauses))


def _symbols(library: ctypes.CDLL, word: str) -> list[str]:
    text = ctypes.c_char_p(word.encode())
    ipa: bytes = library.espeak_TextToPhonemes(ctypes.byref(text), _UTF8, _IPA_WITH_BARS)
    return [symbol for sound in ipa.split(b"|") for symbol in symbols(_plain(sound))]


def _plain(ipa: bytes) -> str:
    """Return a phoneme without stress and palatalization."""
    return ipa.decode().strip("ˈˌʲ ")


def _set_voice(library: ctypes.CDLL, voice: str) -> None:
    if library.espeak_SetVoiceByName(voice.encode()) != 0:
        raise AsrError(f"eSpeak NG {_version(library)} has no voice '{voice}'; install espeakng-loader 0.2")


def _version(library: ctypes.CDLL) -> str:
    library.espeak_Info.restype = ctypes.c_char_p
    version: bytes = library.espeak_Info(None)
    return version.decode()
