"""What 8-bit integers cost: a set's errors with an exported network and with the same as floats."""

from pathlib import Path

import numpy as np

from asr import dataset, export
from asr.bundle import Bundle
from asr.decoders import Greedy
from asr.engines.session import session
from asr.evaluation.transcripts import by_units
from asr.scoring import alignment, conventions


def compared(system: Bundle, data: Path) -> str:
    """Return the error rates of both exported networks in one line, decoded greedily.

    Both get features before normalization, as whoever has the file will: where a system normalizes by speaker, they
    normalize by utterance, and `asr evaluate` says what that costs.

    Args:
        system: The system.
        data: The manifest.

    Raises:
        AsrError: The network cannot be exported, or the manifest cannot be used.
    """
    floats, integers = (_errors(export.model(system, int8), system, data) for int8 in (False, True))
    metric = conventions.metric(system.units.kind)
    return f"{data.stem:<4} {metric} {integers} with 8-bit integers, {floats} with floats"


def _errors(model: bytes, system: Bundle, data: Path) -> alignment.ErrorCount:
    """Return a set's errors with an ONNX model."""
    scored_set, run, decoder = dataset.read(system, data), session(model), Greedy()
    hypotheses = {}
    for row, id in enumerate(scored_set.ids):
        features = np.asarray(scored_set.features.store[row])[None]
        log_probs = run.run(["log_probs"], {"features": features, "lengths": np.array([features.shape[1]])})[0][0]
        hypotheses[id] = decoder(log_probs)[0]
    return alignment.total(by_units(system.units, scored_set, hypotheses))
