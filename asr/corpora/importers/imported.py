"""What the user brought, as a corpus: sets, units and rate, and the recipe that fits them."""

import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from asr.corpora.importers.partition import Sets
from asr.corpora.importers.vocabulary import Vocabulary

RATE = 16_000  # Hz: at most, and the default of features

OF_A_SPEAKER = 5  # recordings, from which on their mean and variance say more of the speaker than of the words


@dataclass(frozen=True)
class Imported:
    """A folder of recordings or a text as a corpus.

    Attributes:
        format: A key of `IMPORTERS`, or `espeak`.
        origin: What it was made of, and how.
        command: The variables of `make train` that make it again.
        sets: Train, dev and test.
        vocabulary: Its units.
        rate: Hz, of most recordings, at most the default.
        notes: What was found and how it was read.
        warnings: What was skipped, and what the numbers will not show.
    """

    format: str
    origin: str
    command: str
    sets: Sets
    vocabulary: Vocabulary
    rate: int
    notes: list[str]
    warnings: list[str]


def normalized_by(sets: Sets) -> str:
    """Return whose mean and variance features are normalized by: the speaker's, where most have several recordings."""
    counts = Counter(utterance.speaker for utterances in sets.values() for utterance in utterances)
    known = bool(counts) and "" not in counts and median(counts.values()) >= OF_A_SPEAKER
    return "speaker" if known else "utterance"


def isolated(imported: Imported) -> bool:
    """Say whether each recording is one word of a closed vocabulary."""
    units = imported.vocabulary.units
    if units.kind != "words":
        return False
    return all(len(units.split(one.text, [])) == 1 for some in imported.sets.values() for one in some)


def recipe(name: str, imported: Imported) -> str:
    """Return the recipe's text: what follows from the recordings, and nothing else."""
    units = imported.vocabulary.settings
    lines = [
        f"# {imported.origin}.",
        "#",
        f"#   make train {imported.command}",
        "#",
        "# What is here follows from the recordings; all else is the default. Edit it as you like: it is kept then.",
        "",
        "[corpus]",
        f"name = {_toml(name)}",
        "",
        "[units]",
        *(f"{key} = {_toml(value)}" for key, value in units.items()),
    ]
    lines += ["", "[features]", "deltas = 2 # the change of a spectrum differs less between speakers than the spectrum"]
    if normalized_by(imported.sets) == "speaker":
        lines += ['normalise = "speaker" # mean and variance over all recordings of a speaker; of a lone one, its own']
    lines += ["prior = 10 # frames: with more, a short recording keeps the level and the microphone it was made with"]
    if imported.rate != RATE:
        lines += [f"rate = {imported.rate} # Hz, of the recordings: more would leave filters empty"]
    if isolated(imported):
        lines += ["", "[encoder]"]
        lines += ['readout = "mean" # each recording is one word; "frames" hears several in one, and live audio']
    lines += ["", "[augment]", "auto = true # how much recordings are changed follows from how many there are"]
    lines += ["", "[frontend]", 'kind = "auto" # how many frames are seen as one follows from how long a unit lasts']
    return "\n".join(lines) + "\n"


def named(source: Path) -> str:
    """Return a corpus's name for a folder or a text."""
    return re.sub(r"[^\w.]+", "-", source.resolve().name.removesuffix(".txt")).strip("-.") or "recordings"


def _toml(value: str) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")  # a TOML string is nearly a JSON one
