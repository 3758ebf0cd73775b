"""Evaluation: decode a set, score it, and write the result with its provenance."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from asr import bundle, dataset, engines, manifest
from asr.batch import Dataset
from asr.bundle import Bundle
from asr.decoders import Hypothesis, Search
from asr.errors import AsrError
from asr.evaluation import boundaries, provenance, results
from asr.evaluation.boundaries import Boundaries
from asr.evaluation.transcripts import Compared, confidences, in_units, in_words, spelled
from asr.manifest import Utterance
from asr.recognize import Recognizer
from asr.scoring import calibration, conventions, trn
from asr.scoring.alignment import Alignment, ErrorCount
from asr.scoring.calibration import Reliability
from asr.scoring.conventions import ConventionScore
from asr.support import files, parallel, seeds
from asr.support.device import choose_device
from asr.support.parallel import ProcessGroup


@dataclass(frozen=True)
class Result:
    """A set scored in one kind of symbol.

    Attributes:
        scores: By every convention that the symbols allow; the headline first.
        reliability: Of the confidences; None where the decoder estimates none.
    """

    scores: list[ConventionScore]
    reliability: Reliability | None = None

    @property
    def metric(self) -> str:
        """PER, CER or WER."""
        return self.scores[0].metric

    @property
    def count(self) -> ErrorCount:
        """The headline's errors over the whole set."""
        assert self.scores[0].count is not None
        return self.scores[0].count

    @property
    def alignments(self) -> dict[str, Alignment]:
        """The headline's, by utterance id."""
        return self.scores[0].alignments

    def __str__(self) -> str:
        return str(self.scores[0])

    def as_dict(self) -> dict[str, Any]:
        """Return the fields of the result file."""
        found = self.scores[0].as_dict()
        found["convention"] = found.pop("title")
        del found["name"]
        if self.reliability:
            found["calibration_error"] = self.reliability.error
            found["reliability"] = {key: value.tolist() for key, value in self.reliability._asdict().items()}
        return found


@dataclass(frozen=True)
class Evaluation:
    """A set decoded and scored.

    Attributes:
        results: The headline first.
        boundaries: Where units' times are transcribed; else None.
        utterances: By id.
        remark: Caveat about how the search's weights were chosen; empty if none.
        seconds: What decoding took.
    """

    results: list[Result]
    boundaries: Boundaries | None
    utterances: dict[str, Utterance]
    remark: str
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
        reference, hypothesis = alignments[id].rows()
        audio = self.utterances[id].audio.resolve()
        rows = [("audio", _from_here(audio)), ("words", self.utterances[id].text)]
        rows += [("reference", reference), ("hypothesis", hypothesis)]
        return "\n".join(f"{name:<11}{value}" for name, value in rows)


def run(
    system: Path, data: Path, out: Path, device: str, search: Search | None = None, force: bool = False
) -> Evaluation:
    """Score a bundle on a manifest; write `out`.json and, by utterance, `out`.utterances.jsonl.

    Args:
        system: A bundle's file.
        data: The manifest.
        out: The result's name, without ending.
        device: Where the network runs.
        search: How to decode. Default: greedy.
        force: Score a set even if the weights were tuned on it and it is not dev; the result is marked.

    Raises:
        AsrError: The bundle, the manifest or the search cannot be used, or the result cannot be written.
    """
    begin, source = time.perf_counter(), provenance.commit()
    files.folder(out.parent)  # before the work, so that an unwritable folder is reported at once
    search = search or Search()
    loaded = bundle.load(system)
    decoder = search.build(loaded.units)
    provenance.refuse_tuned(search, data, force)
    utterances = {utterance.id: utterance for utterance in manifest.read(data)}
    recognizer = Recognizer(loaded, decoder, device, engines.choose(loaded, choose_device(device), len(utterances)))
    with parallel.group(device) as group:
        scored_set = group.leader_first(lambda: dataset.read(loaded, data))  # the leader computes the features
        hypotheses, found = _decoded(recognizer, scored_set, utterances, group)
    seconds = time.perf_counter() - begin

    units = loaded.units
    scored = [_result(loaded, units.kind, in_units(units, scored_set, hypotheses), utterances, hypotheses)]
    if search.decoder.scores_words:
        words = in_words(list(utterances.values()), hypotheses)
        scored.insert(0, _result(loaded, "words", words, utterances, hypotheses, searched=True))
    elif units.kind == "characters" and " " in units.symbols:
        scored.insert(0, _result(loaded, "written", spelled(units, scored_set, hypotheses), utterances, hypotheses))
    proof = provenance.of(source, system, data, recognizer, search)
    remark = results.remark(proof["search"], data.stem)
    evaluation = Evaluation(scored, found, utterances, remark, seconds)
    if group.leads:
        details = [_details(recognizer, evaluation, hypotheses[id], id) for id in scored_set.ids]
        files.write_json_lines(out.with_name(f"{out.name}.utterances.jsonl"), details)
        files.write_json(out.with_name(f"{out.name}.json"), _summary(evaluation) | proof)
    return evaluation


def _decoded(
    recognizer: Recognizer, data: Dataset, utterances: Mapping[str, Utterance], group: ProcessGroup
) -> tuple[dict[str, Hypothesis], Boundaries | None]:
    """Return the best hypothesis of each utterance, by id, and the boundaries; several processes share the work."""
    targets = dict(zip(data.ids, data.targets, strict=True))
    mine = {}
    for id, log_probs in recognizer.emissions(data, group):
        placed = boundaries.of(recognizer, log_probs, targets[id], utterances[id])
        mine[id] = recognizer.decoder(log_probs)[0], placed
    found = group.gather(mine)
    hypotheses = {id: hypothesis for id, (hypothesis, _) in found.items()}
    return hypotheses, boundaries.joined([placed for _, placed in found.values()])


def write_trn(evaluation: Evaluation, out: Path) -> tuple[Path, Path]:
    """Write the headline's references and hypotheses as trn, for NIST sclite, and return where.

    Ids begin with the speaker, as sclite wants them. Characters are written as the words that they spell: spaces at the
    ends, and two in a row, are lost, and with them the errors in them.

    Raises:
        AsrError: A file cannot be written, a symbol cannot be represented in trn, or two ids or speakers would become
            one.
    """
    headline = evaluation.results[0]
    names = {id: trn.named(id, one.speaker) for id, one in evaluation.utterances.items()}
    people = {(trn.speaker(names[id]), one.speaker) for id, one in evaluation.utterances.items() if one.speaker}
    for what, before, after in (
        ("ids", names.keys(), set(names.values())),
        ("speakers", {speaker for _, speaker in people}, {name for name, _ in people}),
    ):
        if len(after) < len(before):
            raise AsrError(
                f"{out}: {len(before)} {what} would become {len(after)} in trn, where `-` is not allowed; rename them"
            )
    paths = out.with_name(f"{out.name}.ref.trn"), out.with_name(f"{out.name}.hyp.trn")
    for side, path in enumerate(paths):
        rows = {}
        for id, alignment in headline.alignments.items():
            symbols = [pair[side] or "" for pair in alignment.pairs if pair[side] is not None]
            spelled = "".join(symbols).split() if headline.metric == "CER" else symbols
            rows[names[id]] = spelled
        trn.write(path, rows)
    return paths


def _result(
    loaded: Bundle,
    kind: str,
    compared: Compared,
    utterances: Mapping[str, Utterance],
    hypotheses: Mapping[str, Hypothesis],
    searched: bool = False,
) -> Result:
    """Return the score in one kind of symbol; `searched` are words that a lexicon search found, not units."""
    speakers = {id: utterance.speaker for id, utterance in utterances.items()}
    generator = seeds.generator(loaded.recipe.training.seed, "bootstrap")
    scores = conventions.scores(kind, *compared, speakers, generator)
    if kind == "written":  # decoders estimate no confidence for words spelled by characters
        return Result(scores)
    sure, right = confidences(loaded.units, scores[0].alignments, hypotheses, searched)
    return Result(scores, calibration.reliability(sure, right) if sure else None)


def _details(recognizer: Recognizer, evaluation: Evaluation, hypothesis: Hypothesis, id: str) -> dict[str, Any]:
    """Return an utterance's row of the details file."""
    units = recognizer.bundle.units
    utterance = evaluation.utterances[id]
    spans = zip(units.names(hypothesis.ids), recognizer.times(hypothesis.frames, utterance.seconds), strict=True)
    details: dict[str, Any] = {"id": id, "speaker": utterance.speaker, "text": utterance.text}
    details["seconds"] = round(utterance.seconds, 4)
    details |= asdict(evaluation.results[-1].alignments[id].count)
    details |= {"score": round(hypothesis.score, 4), "alignment": evaluation.results[-1].alignments[id].pairs}
    details["units"] = [[symbol, round(start, 4), round(end, 4)] for symbol, (start, end) in spans]
    if evaluation.results[0].metric == "WER":
        details["words"] = evaluation.results[0].alignments[id].pairs
    return details


def _summary(evaluation: Evaluation) -> dict[str, Any]:
    headline, *others = evaluation.results
    summary = headline.as_dict()
    summary["conventions"] = [score.as_dict() for result in evaluation.results for score in result.scores]
    summary |= {"others": [other.as_dict() for other in others]} if others else {}
    summary |= {"boundaries": evaluation.boundaries.as_dict()} if evaluation.boundaries else {}
    summary["utterances"] = len(headline.alignments)
    summary["resampled"] = headline.scores[0].resampled
    known = summary["resampled"] == "speakers"
    summary["speakers"] = len({one.speaker for one in evaluation.utterances.values()}) if known else None
    return summary


def _from_here(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
