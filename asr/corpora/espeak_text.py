"""Texts to be spoken: a sentence or a command on each line, and whether a language's voice can speak it."""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from asr.corpora import espeak_library
from asr.errors import InputError, choose, first_few
from asr.support import text as texts

SAMPLES = 20  # words of a script that are looked at
LATIN = "LATIN"  # every voice reads it, as English where it is foreign
# Sounds per letter from which on a voice does not read a script but names its letters ("Chinese letter", "el"). Voices
# that read them have about 1 in an alphabet, 2 in a syllabary, 4 for an ideograph; Urdu, which omits vowels, up to 3.
NAMED = {"CYRILLIC": 1.4, "GREEK": 2.0, "CJK": 8.0}
NAMED_OTHERS = 5.0
SHOWN = 40  # characters of a line in a message


@dataclass(frozen=True)
class Text:
    """What can be spoken of a text.

    Attributes:
        sentences: Each once, in the order of the text.
        warnings: What was skipped.
    """

    sentences: list[str]
    warnings: list[str]


def voice_of(language: str) -> str:
    """Return eSpeak's voice for a language's code.

    Raises:
        AsrError: eSpeak is not installed, or has no such language.
    """
    return choose(espeak_library.languages(), language, "language")


def read(path: Path, language: str) -> Text:
    """Return the sentences of a file; arguments and errors are those of `spoken`."""
    return spoken(texts.lines(path, "sentences", "pass a text file with a sentence on each line"), language, str(path))


def spoken(lines: Iterable[str], language: str, where: str, *, repeated: bool = False) -> Text:
    """Return the sentences of a text, in NFC with single spaces.

    Args:
        lines: A sentence, a word or a command each.
        language: A code of `espeak_library.languages`.
        where: The text, for messages.
        repeated: Whether lines may be the same, as transcripts are.

    Raises:
        AsrError: eSpeak is not installed, or has no such language.
        InputError: No line can be spoken.
    """
    voice = voice_of(language)
    found = [" ".join(unicodedata.normalize("NFC", line).split()) for line in lines]
    filled = [line for line in found if line]
    worded = [line for line in filled if any(map(_is_letter, line))]
    once = list(dict.fromkeys(worded))
    foreign = _foreign(once, voice)
    kept = [line for line in once if not foreign & set(_scripts(line))]
    skipped = {
        "without a letter or a digit": [line for line in filled if not any(map(_is_letter, line))],
        f"in letters that the voice '{language}' only names ({_named(foreign)})": [
            line for line in once if foreign & set(_scripts(line))
        ],
    }
    warnings = [f"lines {what}: {len(those)} ({_shown(those)}); skipped" for what, those in skipped.items() if those]
    if len(once) < len(worded) and not repeated:
        warnings.append(f"duplicate lines: {len(worded) - len(once)}; each sentence counts once")
    if not kept:
        why = "; ".join(warnings) or "it is empty"
        remedy = "choose the language that it is written in" if foreign else "write a sentence or a word on each line"
        raise InputError(f"{where}: nothing to speak ({why}); {remedy}")
    return Text(kept, warnings)


def _foreign(sentences: Sequence[str], voice: str) -> set[str]:
    """Return the scripts of which the voice only names the letters."""
    words: dict[str, set[str]] = {}
    for sentence in sentences:
        for word in sentence.split():
            scripts = _scripts(word)
            if len(scripts) == 1 and scripts[0] != LATIN:
                words.setdefault(scripts[0], set()).add("".join(filter(_is_written, word)))
    return {
        script
        for script, own in words.items()
        if _sounds_per_letter(sorted(own)[:SAMPLES], voice) > NAMED.get(script, NAMED_OTHERS)
    }


def _sounds_per_letter(words: list[str], voice: str) -> float:
    sounds = sum(unicodedata.category(c) == "Ll" for sound in espeak_library.sounds(words, voice) for c in sound)
    return sounds / sum(map(len, words))


def _is_written(character: str) -> bool:
    return character.isalpha() or unicodedata.category(character)[0] == "M"


def _scripts(text: str) -> list[str]:
    """Return the scripts of a text's letters, each once."""
    return list(dict.fromkeys(unicodedata.name(c, "UNKNOWN").split()[0] for c in text if c.isalpha()))


def _is_letter(character: str) -> bool:
    return unicodedata.category(character)[0] in "LN"


def _named(scripts: Iterable[str]) -> str:
    return " and ".join(sorted(script if script == "CJK" else script.title() for script in scripts))


def _shown(lines: Sequence[str]) -> str:
    return first_few([line if len(line) <= SHOWN else f"{line[:SHOWN]}…" for line in lines], 3)
