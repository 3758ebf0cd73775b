"""Export: a system's network as an ONNX file that other runtimes read, checked against our own.

    features (B, T, F) float32, lengths (B,) int64 → log_probs (B, T', V), log_probs_lengths (B,)

The features are those of `asr.features`, before normalization, which is in the graph. Beside the model goes tokens.txt,
a unit and its id a line. The metadata say how the features are made (`asr.features`, JSON), and what sherpa-onnx asks
of a model of its type `wenet_ctc`.
"""

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.bundle import Bundle
from asr.engines import graph
from asr.engines.architecture import Parameters, side_by_side
from asr.engines.network import Network
from asr.engines.session import session
from asr.errors import AsrError
from asr.support import files, seeds
from asr.units import BLANK

LENGTHS = (300, 127, 64, 33, 17, 9, 8, 7, 6, 5, 4, 3, 2, 1)  # frames of the utterances that are compared
TOLERANCE = 1e-4  # largest difference of a log-prob; float32 makes 1e-5
SHERPA = {
    "rate": 16000,
    "window": 0.025,
    "shift": 0.01,
    "low": 20.0,
    "high": 7600.0,
    "preemphasis": 0.97,
    "energy": False,
}
BLANK_TOKEN = "<blk>"  # as sherpa-onnx and icefall call it

Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        path: The model.
        size: Bytes.
        difference: The largest difference of a log-prob to our own network's, over `LENGTHS`.
        probability: The same of a probability.
    """

    path: Path
    size: int
    difference: float
    probability: float

    def __str__(self) -> str:
        return f"{self.path}: {self.size:,} bytes; log-probs differ by at most {self.difference:.1g}"


def write(system: Bundle, path: Path, int8: bool = False) -> Exported:
    """Write a system's network as ONNX, and tokens.txt beside it.

    Args:
        system: The system.
        path: The model's file.
        int8: Store weights as 8-bit integers, which are multiplied as such: smaller, and less exact.

    Raises:
        AsrError: The cell or the front end has no standard node, the extra `onnx` is not installed, the result differs
            from our own by more than `TOLERANCE` (without `int8`), or a file cannot be written.
    """
    made = model(system, int8)
    exported = _compared(system, path, made)
    if exported.difference > TOLERANCE and not int8:
        raise AsrError(f"{path}: log-probs differ by {exported.difference:.2g}; not written; report it as a bug")
    with files.replacing(path) as temporary:
        temporary.write_bytes(made)
    files.write_text(path.with_name("tokens.txt"), tokens(system))
    return exported


def model(system: Bundle, int8: bool = False) -> bytes:
    """Return a system's network as ONNX; arguments and errors are those of `write`, which compares it, too."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise AsrError(f"export: {error.name} is not installed; run `pip install 'asr[onnx]'`") from None
    normaliser = graph.Normalization.of(system.normaliser)
    made = graph.build(system.architecture, system.weights, metadata(system), normaliser).SerializeToString()
    return _quantized(made) if int8 else made


def tokens(system: Bundle) -> str:
    """Return tokens.txt: a unit and its id a line, where a space is written ▁, as SentencePiece does."""
    names = [BLANK_TOKEN if id == BLANK else symbol.replace(" ", "▁") for id, symbol in enumerate(system.units.symbols)]
    return "".join(f"{name} {id}\n" for id, name in enumerate(names))


def metadata(system: Bundle) -> dict[str, str]:
    """Return what the file says of the system."""
    found: dict[str, Any] = {
        "comment": "made by `asr export`",
        "asr.features": json.dumps(dict(system.features.settings)),
        "asr.normalise": system.normaliser.kind,
        "asr.recipe": json.dumps(system.recipe.as_dict()),
        "vocab_size": len(system.units),
        "subsampling_factor": system.stride,
    }
    if system.recipe.features.kind == "fbank" and not system.recipe.features.deltas:
        found["model_type"] = "wenet_ctc"  # the one of sherpa-onnx's that asks for no more than this
    return {key: str(value) for key, value in found.items()}


def for_sherpa(system: Bundle) -> str:
    """Return what sherpa-onnx will make of a system's model in one line: how its features differ from the system's.

    As `wenet_ctc`, it takes one recording at a time, adds noise of one 16-bit step, and centers the first frame at 5 ms
    rather than at 12.5 ms; the times that it prints are right.
    """
    settings = dict(system.features.settings)
    if "model_type" not in metadata(system):
        return f"sherpa-onnx cannot read it: it computes filter banks without Δ, not {settings['kind']}"
    unlike = [
        f"features.{key} = {value}, not {settings[key]}" for key, value in SHERPA.items() if settings[key] != value
    ]
    if unlike:
        return f"sherpa-onnx will use {' and '.join(unlike)}; train with its value for the same results"
    return f"sherpa-onnx reads it as wenet_ctc with feature_dim={settings['mels']}"


def _compared(system: Bundle, path: Path, model: bytes) -> Exported:
    """Return how a model differs from our own network on random features of many lengths at once."""
    generator = seeds.generator(system.recipe.training.seed, "export")
    scale = 3 * generator.normal(size=system.features.dimension)
    matrices = [(generator.normal(size=(n, len(scale))) * scale + scale).astype(np.float32) for n in LENGTHS]
    features, lengths = side_by_side(matrices)
    log_probs, counts = session(model).run(
        ["log_probs", "log_probs_lengths"], {"features": features, "lengths": lengths}
    )
    network = Network(system.architecture, Parameters(system.weights))
    difference = probability = 0.0
    for matrix, own, count in zip(matrices, log_probs, counts.tolist(), strict=True):
        expected = network(system.normaliser(matrix))
        if count != len(expected):
            raise AsrError(f"{path}: {count} frames instead of {len(expected)}; not written; report it as a bug")
        difference = max(difference, float(np.abs(own[:count] - expected).max()))
        probability = max(probability, float(np.abs(np.exp(own[:count]) - np.exp(expected)).max()))
    return Exported(path, len(model), difference, probability)


def _quantized(model: bytes) -> bytes:
    """Return a model whose products are of 8-bit integers; their scales follow from the data."""
    import tempfile

    from onnxruntime.quantization import quantize_dynamic

    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder, "float.onnx"), Path(folder, "int8.onnx")
        before.write_bytes(model)
        logging.disable(logging.WARNING)  # its advice is for graphs with convolutions to fuse
        try:
            quantize_dynamic(before, after)
        finally:
            logging.disable(logging.NOTSET)
        return after.read_bytes()
