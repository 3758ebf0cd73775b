"""The eSpeak NG library through ctypes (its speak_lib.h): speech with the time of each phoneme, and pronunciations.

eSpeak NG is GPL-3.0 and is loaded in this file only.
"""

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby

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


def speak(sentence: str, speaker: Speaker) -> tuple[Samples, list[Mark]]:
    """Synthesize a sentence; return the speech at 16 kHz and eSpeak's phoneme marks, the last of them a pause.

    Raises:
        AsrError: eSpeak is missing, lacks the voice, or merges words of the sentence.
    """
    blocks: list[bytes] = []
    events: list[tuple[int, int, bytes]] = []

    def receive(samples: int, count: int, received: Sequence[_Event]) -> int:
        if count > 0:
            blocks.append(ctypes.string_at(samples, 2 * count))
        index = 0
        while (kind := received[index].type) != _LIST_END:
            events.append((kind, received[index].sample, received[index].id.string if kind == _PHONEME else b""))
            index += 1
        return 0

    callback = _RECEIVE(receive)
    settings = {_RATE: speaker.rate, _VOLUME: _HEADROOM, _PITCH: speaker.pitch, _RANGE: speaker.range}
    with loaded() as (library, rate):
        library.espeak_SetSynthCallback(callback)
        _set_voice(library, speaker.voice)
        for setting, value in settings.items():
            library.espeak_SetParameter(setting, value, 0)
        text = sentence.encode()
        library.espeak_Synth(text, len(text) + 1, 0, 1, 0, _UTF8, None, None)
    spoken, written = sum(kind == _WORD for kind, _, _ in events), len(sentences.words(sentence))
    if spoken != written:
        raise AsrError(
            f"'{sentence}': {speaker.voice} speaks {spoken} words instead of {written}; install espeakng-loader 0.2"
        )
    samples = (np.frombuffer(b"".join(blocks), np.int16) / 32768).astype(np.float32)
    return resample(samples, rate, RATE), _marks(events, RATE / rate)


def _marks(events: list[tuple[int, int, bytes]], scale: float) -> list[Mark]:
    """Return the phonemes among the events; two or more without a sound are a pause, a single one is a glide."""
    word = -1
    marks: list[Mark] = []
    for kind, sample, name in events:
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
