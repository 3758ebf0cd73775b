"""Evaluation: decode a set, score it, and write the result together with what it takes to believe it."""

import os
import platform
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from asr import bundle, calibration, ctc, decoders, files, manifest, recognize, score, seeds
from asr.bundle import Bundle
from asr.calibration import Reliability
from asr.decoders import Hypothesis, Search
from asr.decoders.base import LogProbs
from asr.manifest import Utterance
from asr.recognize import Recognizer
from asr.score import Alignment, ErrorCount
from asr.transcripts import by_units, by_words, confidences

CONVENTION = {
    "PER": "standard: 39 phones, silence counted, nothing merged",
    "CER": "every character counted, spaces too",
    "WER": "lower case, no punctuation",
}


@dataclass(frozen=True)
class Result:
    """A set scored in one kind of symbol.

    Attributes:
        metric: PER, CER or WER.
        count: Errors over the whole set.
        interval: 95 %, by speaker.
        alignments: By utterance id.
        reliability: Of the confidences; None where the decoder gives none.
    """

    metric: str
    count: ErrorCount
    interval: tuple[float, float]
    alignments: dict[str, Alignment]
    reliability: Reliability | None = None

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.metric} {self.count}, 95 % interval {100 * low:.2f}–{100 * high:.2f} by speaker"

    def as_dict(self) -> dict[str, Any]:
        """Return what the result file says."""
        found = {
            "metric": self.metric,
            "rate": self.count.rate,
            "interval": self.interval,
            "convention": CONVENTION[self.metric],
            **asdict(self.count),
            "errors": self.count.errors,
            "total": self.count.total,
        }
        if self.reliability:
            found["calibration_error"] = self.reliability.error
            found["reliability"] = {key: value.tolist() for key, value in self.reliability._asdict().items()}
        return found


@dataclass(frozen=True)
class Borders:
    """How far forced alignment puts the units' borders from where they were transcribed.

    Attributes:
        errors: (N,), seconds, found minus transcribed.
        peaks: Share of the units whose peak lies inside the transcribed unit.
    """

    errors: np.ndarray[tuple[int], np.dtype[np.float64]]
    peaks: float

    def as_dict(self) -> dict[str, float]:
        """Return the field's figures: shares within 10, 20 and 50 ms, mean distance and mean shift."""
        distance = np.abs(self.errors)
        within = {f"within_{limit}_ms": float((distance <= limit / 1000).mean()) for limit in (10, 20, 50)}
        shift = {"mean_distance": float(distance.mean()), "mean_shift": float(self.errors.mean())}
        return {"count": len(self.errors), **within, **shift, "peaks_inside": self.peaks}

    def __str__(self) -> str:
        row = self.as_dict()
        shares = ", ".join(f"{100 * row[f'within_{limit}_ms']:.1f} % within {limit} ms" for limit in (10, 20, 50))
        mean = f"mean {1000 * row['mean_distance']:.1f} ms, shift {1000 * row['mean_shift']:+.1f} ms"
        return f"borders {shares}; {mean}; peaks inside {100 * row['peaks_inside']:.1f} %"


@dataclass(frozen=True)
class Evaluation:
    """A set decoded and scored.

    Attributes:
        results: The headline first.
        borders: Where units' times are transcribed and torchaudio can align; else None.
        utterances: By id.
        seconds: What decoding took.
    """

    results: list[Result]
    borders: Borders | None
    utterances: dict[str, Utterance]
    seconds: float = field(compare=False)

    @property
    def count(self) -> ErrorCount:
        """The headline's errors."""
        return self.results[0].count

    def example(self) -> str:
        """Return the set's median utterance, reference above hypothesis."""
        alignments = self.results[-1].alignments
        ranked = sorted(alignments, key=lambda id: (alignments[id].count.rate, id))
        id = ranked[len(ranked) // 2]
        reference, hypothesis = str(alignments[id]).splitlines()
        audio = self.utterances[id].audio.resolve()
        rows = [("audio", _from_here(audio)), ("words", self.utterances[id].text)]
        rows += [("reference", reference), ("hypothesis", hypothesis)]
        return "\n".join(f"{name:<11}{value}" for name, value in rows)


def run(system: Path, data: Path, out: Path, device: torch.device, search: Search | None = None) -> Evaluation:
    """Score a bundle on a manifest; write `out`.json and, by utterance, `out`.utterances.jsonl.

    Args:
        system: A bundle's file.
        data: The manifest.
        out: The result's name, without ending.
        device: Where the network runs.
        search: How to decode; greedy when left out.

    Raises:
        AsrError: The bundle, the manifest or the search cannot be used, or the result cannot be written.
    """
    begin = time.perf_counter()
    files.folder(out.parent)  # before the work, so that a place that cannot be written is known at once
    search = search or Search()
    loaded = bundle.load(system)
    recognizer = Recognizer(loaded, decoders.build(search, loaded.units), device)
    dataset = recognize.dataset(loaded, data)
    utterances = {utterance.id: utterance for utterance in manifest.read(data)}
    targets = dict(zip(dataset.ids, dataset.targets, strict=True))
    align = ctc.can_align()
    hypotheses, found = {}, []
    for id, log_probs in recognizer.emissions(dataset):
        hypotheses[id] = recognizer.decoder(log_probs)[0]
        if align:
            found.append(_borders(recognizer, log_probs, targets[id], utterances[id]))
    seconds = time.perf_counter() - begin

    scored = [_result(loaded, loaded.units.metric, by_units(loaded.units, dataset, hypotheses), utterances, hypotheses)]
    if search.lexicon:
        words = by_words(list(utterances.values()), hypotheses)
        scored.insert(0, _result(loaded, "WER", words, utterances, hypotheses))
    evaluation = Evaluation(scored, _joined(found), utterances, seconds)
    details = [_details(recognizer, evaluation, hypotheses[id], id) for id in dataset.ids]
    files.write_json_lines(out.with_name(f"{out.name}.utterances.jsonl"), details)
    summary = _summary(evaluation) | _witnesses(system, data, loaded, search, device)
    files.write_json(out.with_name(f"{out.name}.json"), summary)
    return evaluation


def _result(
    loaded: Bundle,
    metric: str,
    alignments: dict[str, Alignment],
    utterances: Mapping[str, Utterance],
    hypotheses: Mapping[str, Hypothesis],
) -> Result:
    speakers = {id: utterance.speaker or id for id, utterance in utterances.items()}
    generator = seeds.generator(loaded.recipe.training.seed, "bootstrap")
    interval = score.interval(alignments, speakers, generator)
    sure, right = confidences(loaded.units, alignments, hypotheses, metric == "WER")
    reliability = calibration.reliability(sure, right) if sure else None
    return Result(metric, score.total(alignments), interval, alignments, reliability)


def _borders(
    recognizer: Recognizer, log_probs: LogProbs, target: Sequence[int], utterance: Utterance
) -> tuple[list[float], list[bool]]:
    """Return one utterance's border errors in seconds, and which units peak inside themselves."""
    starts = recognizer.bundle.units.starts(utterance.phones)
    if len(starts) != len(target) or len(log_probs) < ctc.frames_needed(target):
        return [], []
    peaks = ctc.align(torch.from_numpy(log_probs), target)
    placed = recognizer.seconds(ctc.borders(log_probs, target, peaks))
    centres = recognizer.seconds([(first + last) / 2 for first, last in peaks])
    ends = [*starts[1:], utterance.seconds]
    inside = [start <= centre <= end for start, centre, end in zip(starts, centres, ends, strict=True)]
    return [one - other for one, other in zip(placed, starts[1:], strict=True)], inside


def _joined(found: Sequence[tuple[list[float], list[bool]]]) -> Borders | None:
    errors = [error for own, _ in found for error in own]
    inside = [one for _, own in found for one in own]
    return Borders(np.array(errors), float(np.mean(inside))) if errors else None


def _details(recognizer: Recognizer, evaluation: Evaluation, hypothesis: Hypothesis, id: str) -> dict[str, Any]:
    """Return what the details say of one utterance."""
    units = recognizer.bundle.units
    spans = zip(units.names(hypothesis.ids), recognizer.times(hypothesis.frames), strict=True)
    details: dict[str, Any] = {"id": id, "speaker": evaluation.utterances[id].speaker}
    details |= asdict(evaluation.results[-1].alignments[id].count)
    details |= {"score": round(hypothesis.score, 4), "alignment": evaluation.results[-1].alignments[id].pairs}
    details["units"] = [[symbol, round(start, 4), round(end, 4)] for symbol, (start, end) in spans]
    if len(evaluation.results) > 1:
        details["words"] = evaluation.results[0].alignments[id].pairs
    return details


def _summary(evaluation: Evaluation) -> dict[str, Any]:
    headline, *others = evaluation.results
    summary = headline.as_dict()
    summary |= {"others": [other.as_dict() for other in others]} if others else {}
    summary |= {"borders": evaluation.borders.as_dict()} if evaluation.borders else {}
    summary["utterances"] = len(headline.alignments)
    summary["speakers"] = len({utterance.speaker or id for id, utterance in evaluation.utterances.items()})
    return summary


def _witnesses(system: Path, data: Path, loaded: Bundle, search: Search, device: torch.device) -> dict[str, Any]:
    """Return who measured: everything needed to measure again."""
    settings = {key: value for key, value in asdict(search).items() if value not in (None, "")}
    return {
        "set": data.stem,
        "manifest_sha256": files.sha256(data),
        "bundle": system.name,
        "bundle_sha256": files.sha256(system),
        "search": settings | {key: settings[key].name for key in ("language", "lexicon") if key in settings},
        "seed": loaded.recipe.training.seed,
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
