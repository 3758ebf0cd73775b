"""TIMIT's phones, how they fold, and who speaks in which set.

Source: K.-F. Lee and H.-W. Hon, "Speaker-independent phone recognition using hidden Markov models", IEEE Trans. ASSP
37(11), 1989, table I: 61 symbols are transcribed, 48 are modelled, 39 are scored. The glottal stop `q` is deleted.
Adjacent equal symbols after folding stay two symbols: nothing is merged.
"""

from collections.abc import Iterable

# What is the same at all three levels.
_SAME = "aa ae ah aw ay b ch d dh dx eh er ey f g hh ih iy jh k l m n ng ow oy p r s sh t th uh uw v w y z"

# What is not: 61 → (48, 39).
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

TO_48: dict[str, str] = {p: p for p in _SAME.split()} | {p: to_48 for p, (to_48, _) in _FOLDED.items()}
TO_39: dict[str, str] = {p: p for p in _SAME.split()} | {p: to_39 for p, (_, to_39) in _FOLDED.items()}
# A 48-symbol system folds further for scoring; `cl`, `vcl` and `sil` are not among the 61.
TO_39 |= {to_48: to_39 for to_48, to_39 in _FOLDED.values()}

PHONES_61: tuple[str, ...] = tuple(sorted([*_SAME.split(), *_FOLDED, DELETED]))
PHONES_48: tuple[str, ...] = tuple(sorted(set(TO_48.values())))
PHONES_39: tuple[str, ...] = tuple(sorted(set(TO_39.values())))

# The 39 as TIMIT's documentation groups them (PHONCODE.DOC), from the lips inwards; vowels from front to back and high
# to low within, diphthongs last. The order in which tables and pictures list phones.
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
        KeyError: A symbol is of none of the levels, or finer symbols are asked of coarser ones.
    """
    if to == 61:
        return list(symbols)
    table = {48: TO_48 | {p: p for p in PHONES_48}, 39: TO_39}[to]
    return [table[symbol] for symbol in symbols if symbol != DELETED]


# Core test set: 24 speakers, the number people report (TIMIT's testset.doc, table 1).
CORE_TEST_SPEAKERS = frozenset(
    """mdab0 mwbt0 felc0 mtas1 mwew0 fpas0 mjmp0 mlnt0 fpkt0 mlll0 mtls0 fjlm0 mbpm0 mklt0 fnlp0 mcmj0 mjdh0 fmgd0
    mgrt0 mnjm0 fdhc0 mjln0 mpam0 fmld0""".split()
)

# Development set: 50 other speakers of the TEST tree, as Kaldi's recipe and its successors take them.
DEV_SPEAKERS = frozenset(
    """faks0 fdac1 fjem0 mgwt0 mjar0 mmdb1 mmdm2 mpdf0 fcmh0 fkms0 mbdg0 mbwm0 mcsh0 fadg0 fdms0 fedw0 mgjf0 mglb0
    mrtk0 mtaa0 mtdt0 mthc0 mwjg0 fnmr0 frew0 fsem0 mbns0 mmjr0 mdls0 mdlf0 mdvc0 mers0 fmah0 fdrw0 mrcs0 mrjm4 fcal1
    mmwh0 fjsj0 majc0 mjsw0 mreb0 fgjd0 fjmg0 mroa0 mteb0 mjfc0 mrjr0 fmml0 mrws1""".split()
)

# The free sample has no official split; this one is by speaker, a woman and a man each in dev, two and two in test.
SAMPLE_TEST_SPEAKERS = frozenset("faem0 maeb0 fapb0 mbcg0".split())
SAMPLE_DEV_SPEAKERS = frozenset("ftlg0 madd0".split())
