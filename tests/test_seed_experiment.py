"""The smallest experiment: one sentence is learned by heart."""

from pathlib import Path

import torch

from asr import config, manifest
from asr.evaluation import measurement
from asr.training import loop

TINY = Path(__file__).parent.parent / "data" / "tiny" / "tiny.jsonl"
SENTENCE = "she had your dark suit in greasy wash water all year"


def test_one_sentence_is_learned_by_heart(tmp_path):
    """26 letters, space and blank; 13 MFCCs; one layer of 40 hidden units: no errors."""
    utterances = [utterance for utterance in manifest.read(TINY) if utterance.id == "one"]
    for name in ("train", "dev"):
        manifest.write(tmp_path / f"{name}.jsonl", utterances)
    recipe = config.parse(
        {
            "units": {"kind": "characters", "alphabet": " abcdefghijklmnopqrstuvwxyz"},
            "encoder": {"layers": 1, "hidden": 40},
            "training": {"epochs": 150, "batch": 1, "learning_rate": 0.02, "patience": 0},
        },
        "seed",
    )
    best = loop.run(recipe, tmp_path, tmp_path / "run", torch.device("cpu"))
    result = measurement.run(best, tmp_path / "dev.jsonl", tmp_path / "dev", torch.device("cpu"))
    words, characters = result.results
    assert words.count.errors == characters.count.errors == 0
    assert "".join(pair[1] for pair in characters.alignments["one"].pairs) == SENTENCE
