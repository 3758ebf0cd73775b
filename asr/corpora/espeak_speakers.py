"""Who speaks in the twin: eSpeak's voice variants, dealt to the three sets, each in one or more English accents.

A variant belongs to one set, and so do its relatives (`Gene` and `Gene2` share their formants), so the voices of dev
and test are unheard in training. 27 of eSpeak's 104 variants are left out, by measurement on voiced sentences:

* not voiced: `whisper whisperf caleb Demonic croak` (median normalised autocorrelation 0.27–0.63, others above 0.7),
  `klatt klatt2` (0.6, 10 dB quieter), `grandpa announcer` (the lowest tenth below 0.35);
* an echo of a third of the voice or more, which fills closures: `Alicia Marco RicishayMax RicishayMax2 RicishayMax3
  UniRobot anikaRobot robosoft robosoft2 … robosoft8`;
* no person: `zac` (formants of a vocal tract of 11 cm at 350 Hz), `fast` (a test of speed);
* not reproducible from one utterance to the next: `Reed`.
"""

from dataclasses import dataclass

import numpy as np

# TIMIT has eight dialect regions and eSpeak eight English accents: DR1 … DR8, as eSpeak names them.
ACCENTS = (
    *("en-us", "en-us-nyc", "en", "en-gb-x-rp"),
    *("en-gb-scotland", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-029"),
)

# Set → sex → variants. A variant with few relatives speaks in several accents, at another rate and pitch in each.
_VARIANTS: dict[str, dict[str, str]] = {
    "train": {
        "m": """m3 m6 m7 Gene Gene2 iven iven2 iven3 iven4 Diogo Henrique Hugo michel miguel edward edward2 adam
            benjamin klatt3 klatt4 klatt5 klatt6 mike2 david Andy AnxiousAndy Lee Mario Michael gustave marcelo Jacky
            john norbert Tweaky Mr_serious pablo pedro antonio Storm paul quincy rob robert sandro""",
        "f": "f2 f3 f4 aunty linda belinda steph steph2 steph3",
    },
    "dev": {"m": "m1 m5 Alex Mike Denis kaukovalta max boris", "f": "f1 Andrea anika"},
    "test": {"m": "m2 m4 m8 ian Nguyen travis ed victor", "f": "f5 Annie grandma shelby"},
}
_ACCENTS_EACH = {("train", "f"): 3}


@dataclass(frozen=True, slots=True)
class Speaker:
    """A voice that reads.

    Attributes:
        id: TIMIT's form: sex, three letters, a digit.
        dialect: 1 to 8.
        variant: The file of eSpeak's voice variant.
        rate: Words per minute.
        pitch: 0 to 100; 50 is the variant's own.
        range: Of the pitch, 0 (monotone) to 100.
    """

    id: str
    dialect: int
    variant: str
    rate: int
    pitch: int
    range: int

    @property
    def voice(self) -> str:
        """The name by which eSpeak loads accent and variant."""
        return f"{ACCENTS[self.dialect - 1]}+{self.variant}"


def speakers(seed: int) -> dict[str, list[Speaker]]:
    """Return the speakers of `train`, `dev` and `test`; `seed` decides rate, pitch and range, nothing else."""
    rng = np.random.default_rng([seed, len(ACCENTS)])
    taken: set[str] = set()
    found: dict[str, list[Speaker]] = {}
    for name, by_sex in _VARIANTS.items():
        cast = [
            (sex, variant.replace("_", " "))
            for sex, variants in by_sex.items()
            for variant in variants.split()
            for _ in range(_ACCENTS_EACH.get((name, sex), 1))
        ]
        found[name] = [_speaker(*who, 1 + index % len(ACCENTS), taken, rng) for index, who in enumerate(cast)]
    return found


def _speaker(sex: str, variant: str, dialect: int, taken: set[str], rng: np.random.Generator) -> Speaker:
    letters = "".join(filter(str.isalpha, variant + ACCENTS[dialect - 1][3:] + "gb")).lower()[:3]
    id = next(id for digit in range(10) if (id := f"{sex}{letters}{digit}") not in taken)
    taken.add(id)
    rate, pitch, reach = (int(rng.integers(*bounds)) for bounds in ((140, 200), (35, 66), (30, 81)))
    return Speaker(id, dialect, variant, rate, pitch, reach)
