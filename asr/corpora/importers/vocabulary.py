"""Which units fit the transcripts: phones where they are given, whole words where these are few, else characters."""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from asr.manifest import Utterance
from asr.phones import PHONES_61
from asr.units import Units, bare

WORDS = 100  # different words at most, for a closed vocabulary
OFTEN = 5  # times that each of them is in train at least
SHOWN = 60  # characters or words of a message
UNSPACED = {"CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR"}  # scripts without spaces between words
TOGETHER = ({"CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA"}, {"HANGUL", "CJK"})  # scripts of one language


@dataclass(frozen=True)
class Vocabulary:
    """The units that were chosen.

    Attributes:
        settings: The recipe's [units]: kind, and alphabet and drop or symbols.
        how: What was chosen and why.
        warnings: What in the transcripts looks wrong.
    """

    settings: dict[str, str]
    how: str
    warnings: list[str] = field(default_factory=list)

    @property
    def units(self) -> Units:
        """The units themselves."""
        return Units.of(**self.settings)


def choose(sets: Mapping[str, Sequence[Utterance]], kind: str | None = None) -> Vocabulary:
    """Return the units for a corpus.

    Args:
        sets: The utterances of train, dev and test.
        kind: `phones`, `words` or `characters`; None chooses.
    """
    every = [utterance for utterances in sets.values() for utterance in utterances]
    if kind == "phones" or (kind is None and all(u.phones for u in every)):
        return _phones(every)
    said = {name: Counter(_words(utterances)) for name, utterances in sets.items()}
    vocabulary = set().union(*said.values())
    rare = [word for word in vocabulary if said["train"][word] < OFTEN]
    if kind == "words" or (kind is None and len(vocabulary) <= WORDS and not rare):
        least = min(said["train"][word] for word in vocabulary)
        how = f"{len(vocabulary)} words, a closed vocabulary (each is in train at least {least} times): "
        return Vocabulary({"kind": "words", "symbols": " ".join(sorted(vocabulary))}, how + _shown(sorted(vocabulary)))
    return _characters(every)


def _phones(every: Sequence[Utterance]) -> Vocabulary:
    counts = Counter(phone.symbol for utterance in every for phone in utterance.phones)
    if set(counts) <= set(PHONES_61):
        return Vocabulary({"kind": "phones39"}, f"TIMIT's {len(counts)} phones, folded to 39")
    symbols = sorted(counts)
    return Vocabulary({"kind": "phones", "symbols": " ".join(symbols)}, f"{len(symbols)} phones: {_shown(symbols)}")


def _characters(every: Sequence[Utterance]) -> Vocabulary:
    """Return the characters of the transcripts, in lower case, without punctuation."""
    texts = [unicodedata.normalize("NFC", utterance.text) for utterance in every]
    counts = Counter(c for text in texts for c in text.lower())
    apostrophes = {c for text in texts for c in _inner(text.lower())}
    dropped = {c: n for c, n in counts.items() if unicodedata.category(c)[0] in "PSC" and c not in apostrophes}
    alphabet = sorted(set(counts) - set(dropped) - {" "})
    scripts = Counter({s: n for s, n in _scripts(counts).items() if n})
    spaced = counts[" "] > 0 and sum(scripts[s] for s in UNSPACED) < scripts.total() / 2
    drop = "".join(sorted(dropped)) + ("" if spaced else " ")
    how = f"{len(alphabet) + spaced} characters{f' of {_and(scripts)}' if scripts else ''}"
    how += ", lower-cased" if any(text.lower() != text for text in texts) else ""
    how += f": {_shown([*alphabet, '␣'] if spaced else alphabet, '')}"
    if dropped:
        listed = ", ".join(f"'{c}' {n}" for c, n in sorted(dropped.items(), key=lambda item: -item[1])[:10])
        how += f"; punctuation and symbols dropped: {listed}{' …' if len(dropped) > 10 else ''}"
    settings = {"kind": "characters", "alphabet": (" " if spaced else "") + "".join(alphabet), "drop": drop}
    return Vocabulary(settings, how, [*_mixed(every, scripts), *_figures(every, alphabet)])


def _words(utterances: Iterable[Utterance]) -> Iterable[str]:
    for utterance in utterances:
        yield from (word for word in map(plain, utterance.text.split()) if word)


def plain(word: str) -> str:
    """Return a word in lower case, without the punctuation around it."""
    return bare(word).lower()


def _inner(text: str) -> set[str]:
    """Return the apostrophes that are between letters, and so part of a word."""
    return {c for a, c, b in zip(text, text[1:], text[2:], strict=False) if c in "'’ʼ" and a.isalpha() and b.isalpha()}


def _scripts(counts: Mapping[str, int]) -> Counter[str]:
    scripts: Counter[str] = Counter()
    for character, count in counts.items():
        if character.isalpha():
            scripts[unicodedata.name(character, "UNKNOWN").split()[0]] += count
    return scripts


def _mixed(every: Sequence[Utterance], scripts: Counter[str]) -> list[str]:
    """Warn of scripts that are not used together: letters that only look alike, or another language."""
    if len(scripts) < 2 or any(set(scripts) <= together for together in TOGETHER):
        return []
    main = scripts.most_common(1)[0][0]
    own = next((together for together in TOGETHER if main in together), {main})
    odd = [u.id for u in every if set(_scripts(Counter(u.text))) - own]
    names = ", ".join(f"{_script(name)} {count}" for name, count in scripts.most_common())
    return [
        f"transcripts in several scripts ({names} letters), as in {_shown(odd[:3])}; look-alike letters? correct them"
    ]


def _figures(every: Sequence[Utterance], alphabet: Sequence[str]) -> list[str]:
    found = [u.id for u in every if any(c.isdigit() for c in u.text)]
    if not found or not any(c.isalpha() for c in alphabet):
        return []
    return [f"transcripts with numbers in figures: {len(found)}, as {found[0]}; in words they would be learned better"]


def _and(scripts: Counter[str]) -> str:
    return " and ".join(_script(name) for name, _ in scripts.most_common())


def _script(name: str) -> str:
    return name if name == "CJK" else name.title()


def _shown(symbols: Sequence[str], separator: str = " ") -> str:
    line = separator.join(symbols[:SHOWN])
    return line + (f" … {len(symbols) - SHOWN} more" if len(symbols) > SHOWN else "")
