"""The speakers of the synthetic corpus: eSpeak's voice variants, split into three sets, each in several accents.

A variant is in one set only, and so are its relatives (`Gene` and `Gene2` share their formants), so the voices of dev
and test do not occur in training. 40 of eSpeak's 104 variants are excluded, based on measurements:

* not voiced: `whisper whisperf caleb Demonic croak` (median normalized autocorrelation 0.27–0.63, others above 0.7),
  `klatt klatt2` (0.6, 10 dB quieter), `grandpa announcer` (the lowest tenth below 0.35);
* an echo of a third of the voice or more, which fills closures: `Alicia Marco RicishayMax RicishayMax2 RicishayMax3
  UniRobot anikaRobot robosoft robosoft2 … robosoft8`;
* formants of no vocal tract, the first three scaled by factors that differ by more than 1.35: `Andy AnxiousAndy Lee
  Jacky kaukovalta Tweaky boris travis Michael gustave marcelo shelby`; and `zac`, of 11 cm at 350 Hz;
* clipped: `iven`; made for speed: `fast`; different from one utterance to the next: `Reed`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np

# TIMIT's eight dialect regions, as eSpeak's accents: half American, as all of TIMIT is, half British. Excluded are
# accents whose vowels differ from eSpeak's IPA: in `en-us-nyc` `bad` has the sound of `bed`, in
# `en-gb-x-gbcwmd` and `en-029` `bit` has the vowel of `beat` (first formants within 30 Hz of one another).
ACCENTS = (
    *("en-us", "en", "en-us", "en-gb-x-rp"),
    *("en-us", "en-gb-scotland", "en-us", "en-gb-x-gbclan"),
)

# Set → sex → variants, and in how many accents each speaks, at another rate and pitch in each.
_VARIANTS: dict[str, dict[str, tuple[int, str]]] = {
    "train": {
        "m": (
            2,
            """m3 m6 m7 Gene Gene2 iven2 iven3 iven4 Diogo Henrique Hugo michel miguel edward edward2 adam benjamin
            klatt3 klatt4 klatt5 klatt6 mike2 david Mario john norbert Mr_serious pablo pedro antonio Storm paul quincy
            rob robert sandro ian""",
        ),
        "f": (4, "f2 f3 f4 aunty linda belinda steph steph2 steph3"),
    },
    "dev": {"m": (1, "m1 m5 Alex Mike Denis max"), "f": (2, "f1 Andrea anika")},
    "test": {"m": (1, "m2 m4 m8 Nguyen ed victor"), "f": (2, "f5 Annie grandma")},
}


@dataclass(frozen=True, slots=True)
class Speaker:
    """A synthetic speaker.

    Attributes:
        id: In TIMIT's form: sex, three letters, a digit.
        dialect: The number of the accent, from 1.
        accent: eSpeak's name for it, or for the language.
        variant: The file of eSpeak's voice variant.
        rate: Words per minute.
        pitch: 0 to 100; 50 is the variant's own.
        range: Of the pitch, 0 (monotone) to 100.
    """

    id: str
    dialect: int
    accent: str
    variant: str
    rate: int
    pitch: int
    range: int

    @property
    def voice(self) -> str:
        """The name of accent and variant in eSpeak."""
        return f"{self.accent}+{self.variant}"


def speakers(seed: int, accents: Sequence[str] = ACCENTS) -> dict[str, list[Speaker]]:
    """Return the speakers of `train`, `dev` and `test`; `seed` determines rate, pitch and range only.

    Args:
        seed: Of what differs between two speakers of the same variant.
        accents: eSpeak's accents of a language, or its voice alone.
    """
    rng = np.random.default_rng([seed, len(accents)])
    taken: set[str] = set()
    by_set: dict[str, list[Speaker]] = {}
    for name, by_sex in _VARIANTS.items():
        cast = [
            (sex, variant.replace("_", " "))
            for sex, (accents, variants) in by_sex.items()
            for variant in variants.split()
            for _ in range(accents)
        ]
        by_set[name] = [_speaker(*voice, index % len(accents), accents, taken, rng) for index, voice in enumerate(cast)]
    return by_set


def _speaker(
    sex: str, variant: str, accent: int, accents: Sequence[str], taken: set[str], rng: np.random.Generator
) -> Speaker:
    letters = "".join(filter(str.isalpha, variant + "xx")).lower()[:2] + "abcdefgh"[accent]
    id = next(id for digit in count() if (id := f"{sex}{letters}{digit}") not in taken)
    taken.add(id)
    rate, pitch, reach = (int(rng.integers(*bounds)) for bounds in ((140, 200), (35, 66), (30, 81)))
    return Speaker(id, 1 + accent, accents[accent], variant, rate, pitch, reach)
