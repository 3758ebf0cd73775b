"""TIMIT's phones and how they fold.

Source: K.-F. Lee and H.-W. Hon, "Speaker-independent phone recognition using hidden Markov models", IEEE Trans. ASSP
37(11), 1989, table I: 61 symbols are transcribed, 48 are modeled, 39 are scored. The glottal stop `q` is deleted.
Adjacent equal symbols after folding stay two symbols: nothing is merged.
"""

from collections.abc import Iterable

# Symbols that are the same at all three levels.
_SAME = "aa ae ah aw ay b ch d dh dx eh er ey f g hh ih iy jh k l m n ng ow oy p r s sh t th uh uw v w y z"

# Symbols that are not: 61 → (48, 39).
_FOLDED = {
    "ao": ("ao", "aa"),
    "ax": ("ax", "ah"),
    "ax-h": ("ax", "ah"),
    "axr": ("er", "er"),
    "bcl": ("vcl", "sil"),
    "dcl": ("vcl", "sil"),
    "gcl": ("vcl", "sil"),
    "pcl": ("cl", "sil"),
    "tcl": ("cl", "sil"),
    "kcl": ("cl", "sil"),
    "epi": ("epi", "sil"),
    "h#": ("sil", "sil"),
    "pau": ("sil", "sil"),
    "el": ("el", "l"),
    "em": ("m", "m"),
    "en": ("en", "n"),
    "eng": ("ng", "ng"),
    "nx": ("n", "n"),
    "hv": ("hh", "hh"),
    "ix": ("ix", "ih"),
    "ux": ("uw", "uw"),
    "zh": ("zh", "sh"),
}
DELETED = "q"
SILENCE = ("sil", "h#", "pau", "epi")  # between words; closures are silent, too, but belong to a stop

TO_48: dict[str, str] = {p: p for p in _SAME.split()} | {p: to_48 for p, (to_48, _) in _FOLDED.items()}
TO_39: dict[str, str] = {p: p for p in _SAME.split()} | {p: to_39 for p, (_, to_39) in _FOLDED.items()}
# A 48-symbol system folds further for scoring; `cl`, `vcl` and `sil` are not among the 61.
TO_39 |= {to_48: to_39 for to_48, to_39 in _FOLDED.values()}

PHONES_61: tuple[str, ...] = tuple(sorted([*_SAME.split(), *_FOLDED, DELETED]))
PHONES_48: tuple[str, ...] = tuple(sorted(set(TO_48.values())))
PHONES_39: tuple[str, ...] = tuple(sorted(set(TO_39.values())))
_TABLES = {48: TO_48 | {phone: phone for phone in PHONES_48}, 39: TO_39}

# The 39 in the groups of TIMIT's documentation (PHONCODE.DOC), from the lips inwards; vowels from front to back, within
# that from high to low, diphthongs last. Tables and figures list phones in this order.
CLASSES: dict[str, tuple[str, ...]] = {
    "stops": ("p", "b", "t", "d", "dx", "k", "g"),
    "affricates": ("ch", "jh"),
    "fricatives": ("f", "v", "th", "dh", "s", "z", "sh"),
    "nasals": ("m", "n", "ng"),
    "semivowels and glides": ("w", "l", "r", "y", "hh"),
    "vowels": ("iy", "ih", "ey", "eh", "ae", "ah", "er", "uw", "uh", "ow", "aa", "ay", "aw", "oy"),
    "silence": ("sil",),
}


def fold(symbols: Iterable[str], to: int) -> list[str]:
    """Return the symbols at a coarser level, `q` deleted below 61.

    Args:
        symbols: From the 61, or already folded to 48 or 39.
        to: 61, 48 or 39.

    Raises:
        KeyError: A symbol is not in any of the levels, or `to` is finer than the symbols.
    """
    if to == 61:
        return list(symbols)
    table = _TABLES[to]
    return [table[symbol] for symbol in symbols if symbol != DELETED]
