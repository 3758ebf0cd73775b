"""Evaluation: decode a set, score it, and write the result together with what it takes to believe it."""

import hashlib
import os
import platform
import shlex
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from asr import bundle, files, manifest, recognize, score, seeds
from asr.decoders import DECODERS, Hypothesis
from asr.errors import choose
from asr.manifest import Utterance
from asr.recognize import Recognizer
from asr.score import Alignment, ErrorCount
from asr.units import Units


@dataclass(frozen=True)
class Result:
    """A scored set.

    Attributes:
        metric: PER or CER.
        count: Errors over the whole set.
        interval: 95 %, by speaker.
        alignments: By utterance id.
        utterances: By utterance id.
        seconds: What decoding took.
    """

    metric: str
    count: ErrorCount
    interval: tuple[float, float]
    alignments: dict[str, Alignment]
    utterances: dict[str, Utterance]
    seconds: float

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.metric} {self.count}, 95 % interval {100 * low:.2f}–{100 * high:.2f} by speaker"

    def example(self) -> str:
        """Return the set's median utterance, reference above hypothesis."""
        ranked = sorted(self.alignments, key=lambda id: (self.alignments[id].count.rate, id))
        id = ranked[len(ranked) // 2]
        aligned = str(self.alignments[id]).splitlines()
        audio = self.utterances[id].audio.resolve()
        rows = [("audio", _from_here(audio)), ("words", self.utterances[id].text)]
        rows += [("reference", aligned[0]), ("hypothesis", aligned[1])]
        return "\n".join(f"{name:<11}{value}" for name, value in rows)


def run(system: Path, data: Path, out: Path, device: torch.device, decoder: str = "greedy") -> Result:
    """Score a bundle on a manifest; write `out`.json (the result) and `out`.jsonl (every utterance).

    Args:
        system: A bundle's file.
        data: The manifest.
        out: The result's name, without ending.
        device: Where the network runs.
        decoder: A decoder of `asr.decoders`.

    Raises:
        AsrError: The bundle, the manifest or the decoder cannot be used, or the result cannot be written.
    """
    begin = time.perf_counter()
    loaded = bundle.load(system)
    recognizer = Recognizer(loaded, choose(DECODERS, decoder, "decoder")(), device)
    dataset = recognize.dataset(loaded, data)
    hypotheses = recognizer.decode(dataset)
    seconds = time.perf_counter() - begin
    units = loaded.units
    references = {id: units.scored(units.names(ids)) for id, ids in zip(dataset.ids, dataset.targets, strict=True)}
    alignments = score.align_all(references, {id: _scored(units, hypotheses[id]) for id in hypotheses})
    utterances = {utterance.id: utterance for utterance in manifest.read(data)}
    speakers = {id: utterance.speaker or id for id, utterance in utterances.items()}
    seed = loaded.recipe.training.seed
    interval = score.interval(alignments, speakers, seeds.generator(seed, "bootstrap"))
    result = Result(units.metric, score.total(alignments), interval, alignments, utterances, seconds)
    files.write_json_lines(
        out.with_suffix(".jsonl"), [_details(recognizer, result, hypotheses[id], id) for id in alignments]
    )
    files.write_json(out.with_suffix(".json"), _summary(result) | _witnesses(system, data, seed, decoder, device))
    return result


def _scored(units: Units, hypothesis: Hypothesis) -> list[str]:
    return units.scored(units.names(hypothesis.ids))


def _details(recognizer: Recognizer, result: Result, hypothesis: Hypothesis, id: str) -> dict[str, Any]:
    """Return what the details say of one utterance."""
    units = recognizer.bundle.units
    spans = zip(units.names(hypothesis.ids), recognizer.times(hypothesis), strict=True)
    return {
        "id": id,
        "speaker": result.utterances[id].speaker,
        **asdict(result.alignments[id].count),
        "score": round(hypothesis.score, 4),
        "alignment": result.alignments[id].pairs,
        "units": [[symbol, round(start, 4), round(end, 4)] for symbol, (start, end) in spans],
    }


def _summary(result: Result) -> dict[str, Any]:
    count = result.count
    return {
        "metric": result.metric,
        "rate": count.rate,
        "interval": result.interval,
        "convention": "standard: 39 phones, silence counted, nothing merged" if result.metric == "PER" else "standard",
        **asdict(count),
        "errors": count.errors,
        "total": count.total,
        "utterances": len(result.alignments),
        "speakers": len({utterance.speaker for utterance in result.utterances.values()}),
    }


def _witnesses(system: Path, data: Path, seed: int, decoder: str, device: torch.device) -> dict[str, Any]:
    """Return who measured: everything needed to measure again."""
    return {
        "set": data.stem,
        "manifest_sha256": hashlib.sha256(data.read_bytes()).hexdigest(),
        "bundle": system.name,
        "bundle_sha256": bundle.sha256(system),
        "decoder": decoder,
        "seed": seed,
        "commit": commit(),
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "date": time.strftime("%Y-%m-%d"),
        "machine": machine(device),
    }


def _from_here(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def commit() -> str | None:
    """Return the commit of this source, with `-dirty` where files were changed; None where git does not know it."""
    here = Path(__file__).resolve().parent
    command = ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        tracked = subprocess.run(
            ["git", "-C", str(here), "ls-files", "--error-unmatch", Path(__file__).name], capture_output=True
        )
        if tracked.returncode:
            return None
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def machine(device: torch.device) -> str:
    """Return what computed: device, processor, cores, and the versions that matter."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    versions = f"Python {platform.python_version()}, torch {torch.__version__}, NumPy {np.__version__}"
    return f"{device.type} ({name}, {os.cpu_count()} cores, {platform.system()}), {versions}"
