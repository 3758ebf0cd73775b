"""Each fault is planted in a good corpus and must be found, with no other finding; the good corpus has none."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr import audio, bundle, config, manifest
from asr.doctor import DATA_CHECKS, examine
from asr.doctor.recordings import examine_data, measure
from asr.errors import AsrError
from asr.manifest import Segment

RATE = 16000
RECIPE = config.parse({"units": {"kind": "characters", "alphabet": "abcd"}}, "test")
TINY = Path(__file__).parents[2] / "data" / "tiny" / "tiny.jsonl"


class Corpus:
    """The toy corpus, to be damaged: utterances by id, and a folder for new audio."""

    def __init__(self, toy, folder):
        self.sets = {name: {u.id: u for u in manifest.read(toy / f"{name}.jsonl")} for name in ("train", "dev", "test")}
        self.folder = folder

    def __getitem__(self, id):
        return self.sets[id.partition("-")[0]][id]

    def change(self, id, **values):
        self.sets[id.partition("-")[0]][id] = replace(self[id], **values)

    def samples(self, id):
        return audio.read(self[id].audio)[0]

    def record(self, id, samples, rate=RATE, subtype="PCM_16", **values):
        path = self.folder / f"{id}.wav"
        soundfile.write(path, samples, rate, subtype=subtype)
        self.change(id, audio=path, seconds=len(samples) / rate, **values)
        return path

    def long(self, id, *others):
        """Replace an utterance by the concatenation of several, as long as a sentence."""
        ids = (id, *others)
        text = "".join(self[i].text for i in ids)
        return self.record(id, np.concatenate([self.samples(i) for i in ids]), text=text)

    def findings(self, name=None, recipe=RECIPE):
        data = examine_data({name: list(utterances.values()) for name, utterances in self.sets.items()}, recipe)
        return examine(data, {name: DATA_CHECKS[name]} if name else DATA_CHECKS)


@pytest.fixture
def corpus(toy, tmp_path):
    return Corpus(toy, tmp_path)


# Each plants one fault and returns the set and the ids of the expected finding.


def unreadable(corpus):
    (corpus.folder / "bad.wav").write_bytes(b"RIFF, but not for long")
    corpus.change("train-03", audio=corpus.folder / "bad.wav")
    corpus.change("train-04", audio=corpus.folder / "missing.wav")
    return "train", {"train-03", "train-04"}


def truncated(corpus):
    path = corpus.record("dev-02", corpus.samples("dev-02"))
    path.write_bytes(path.read_bytes()[:-2000])
    return "dev", {"dev-02"}


def not_finite(corpus):
    samples = corpus.samples("test-05")
    samples[100] = np.nan
    corpus.record("test-05", samples, subtype="FLOAT")
    return "test", {"test-05"}


def shifted(corpus):
    path = corpus.record("train-07", corpus.samples("train-07"))
    content = path.read_bytes()
    path.write_bytes(content[:2001] + content[2002:] + b"\0")  # a byte is lost; the length is corrected
    return "train", {"train-07"}


def newlines(corpus):
    generator = np.random.default_rng(1)
    samples = np.concatenate([corpus.samples("train-08"), 0.2 * generator.standard_normal(RATE).astype(np.float32)])
    steps = np.round(np.clip(samples, -1, 1) * 32767).astype("<i2").view(np.uint8)
    steps[steps == 13] = 10
    corpus.record("train-08", steps.view("<i2"), text=corpus["train-08"].text * 3)
    return "train", {"train-08"}


def silent(corpus):
    hiss = np.random.default_rng(1).standard_normal(RATE // 2)
    corpus.record("train-09", 3e-5 * hiss, subtype="FLOAT")
    corpus.record("train-05", np.zeros(RATE // 2))
    corpus.record("train-06", 0.1 * hiss)  # loud, but no speech
    return "train", {"train-05", "train-06", "train-09"}


def clipped(corpus):
    corpus.record("train-10", 0.5 * np.clip(4 * corpus.samples("train-10"), -1, 1))  # with the volume lowered
    return "train", {"train-10"}


def offset(corpus):
    corpus.record("train-11", corpus.samples("train-11") + 0.1)
    return "train", {"train-11"}


def length(corpus):
    corpus.record("train-12", corpus.samples("train-12")[500:2000], text="a")
    many = corpus.samples("train-13")
    corpus.record("train-13", np.tile(many, 100), text=corpus["train-13"].text * 100)
    return "train", {"train-12", "train-13"}


def sampling(corpus):
    corpus.record("train-14", corpus.samples("train-14")[::2], RATE // 2)
    corpus.record("train-15", np.repeat(corpus.samples("train-15"), 2), 2 * RATE)
    return "train", {"train-14", "train-15"}


def seconds(corpus):
    corpus.change("train-16", seconds=corpus["train-16"].seconds + 0.5)
    return "train", {"train-16"}


def empty(corpus):
    corpus.change("test-01", text=" . ")
    return "test", {"test-01"}


def symbols(corpus):
    corpus.change("dev-03", text="abé")
    return "dev", {"dev-03"}


def unfit(corpus):
    corpus.change("train-17", text="a" * 200)
    return "train", {"train-17"}


def unseen(corpus):
    for id, utterance in corpus.sets["train"].items():
        corpus.change(id, text=utterance.text.replace("d", "c"))
    return "test", {"d"}


def tempo(corpus):
    corpus.change("train-18", text=3 * corpus["train-18"].text)
    corpus.record("train-19", np.concatenate([corpus.samples(f"train-{i}") for i in range(20, 30)]))
    return "train", {"train-18", "train-19"}


def segments(corpus):
    overlapping = (Segment("h#", 0.0, 0.2), Segment("aa", 0.1, 0.3))
    corpus.change("train-20", phones=overlapping)
    corpus.change("train-21", phones=(Segment("h#", 0.0, corpus["train-21"].seconds + 0.1),))
    return "train", {"train-20", "train-21"}


def duplicates(corpus):
    corpus.change("test-06", audio=corpus["train-22"].audio, seconds=corpus["train-22"].seconds)
    return "train, test", {"train-22", "test-06"}


def unnamed(corpus):
    corpus.change("test-03", speaker="")
    return "test", {"test-03"}


def speakers(corpus):
    corpus.change("test-07", speaker="train1")
    return "train, test", {"test-07"}


def texts(corpus):
    corpus.long("train-23", "train-24", "train-25", "train-26", "train-27")
    noise = np.random.default_rng(1).standard_normal(100)
    samples = corpus.samples("train-23")
    samples[:100] += 1e-3 * noise  # spoken again, not copied
    corpus.record("test-08", samples, text=corpus["train-23"].text)
    return "train, test", {"test-08"}


PLANTS = {plant.__name__.replace("_", "-"): plant for plant in (
    unreadable, truncated, not_finite, shifted, newlines, silent, clipped, offset, length, sampling, seconds, empty,
    symbols, unfit, unseen, tempo, segments, duplicates, speakers, unnamed, texts,
)}  # fmt: skip
ALSO_FOUND = {"unfit": {"tempo"}, "length": {"tempo"}}  # other findings that a planted fault causes


def test_a_good_corpus_has_no_findings(corpus):
    assert corpus.findings() == []


def test_the_committed_recordings_have_no_findings():
    assert examine(examine_data({"tiny": manifest.read(TINY)}, config.parse({}, "test")), DATA_CHECKS) == []


@pytest.mark.parametrize("name", DATA_CHECKS)
def test_a_planted_fault_is_found_by_its_check_only(corpus, name):
    set_, ids = PLANTS[name](corpus)
    found = corpus.findings()
    mine = [finding for finding in found if finding.check == name and finding.set == set_]
    assert {id for finding in mine for id in finding.ids} == ids
    assert {finding.check for finding in found} == {name} | ALSO_FOUND.get(name, set())
    assert all(finding.what and finding.remedy and "\n" not in finding.what + finding.remedy for finding in found)


def test_several_faults_are_found_at_once(corpus):
    """Twelve kinds at once, in different utterances."""
    kinds = (
        unreadable,
        truncated,
        not_finite,
        shifted,
        silent,
        clipped,
        offset,
        seconds,
        empty,
        symbols,
        unfit,
        speakers,
    )
    expected = {(kind.__name__.replace("_", "-"), *kind(corpus)[:1]) for kind in kinds}
    assert {(finding.check, finding.set) for finding in corpus.findings()} == expected | {("tempo", "train")}


def test_findings_are_sorted_by_severity(corpus):
    for plant in (offset, clipped, symbols):
        plant(corpus)
    assert [finding.severity for finding in corpus.findings()] == ["error", "warning", "note"]


def test_utterances_are_sorted_by_severity(corpus):
    corpus.change("train-01", text="a" * 200)
    corpus.change("train-02", text="a" * 300)
    (finding,) = corpus.findings("unfit")
    assert finding.ids == ("train-02", "train-01")
    assert "needs 599" in finding.what


def test_frames_are_counted_as_in_the_features(corpus):
    corpus.record("train-00", corpus.samples("train-00")[:3001], RATE - 1)
    for id in ("train-00", "train-01"):
        utterance = corpus[id]
        samples, rate = audio.read(utterance.audio)
        held = len(bundle.build_features(RECIPE.features)(audio.resample(samples, rate, RATE)))
        text = ("ab" * held)[:held]
        corpus.change(id, text=text)
        assert corpus.findings("unfit") == []
        corpus.change(id, text=text + ("a" if text[-1] == "b" else "b"))
        (finding,) = corpus.findings("unfit")
        assert f"{held} frames are too few for {held + 1} units" in finding.what
        corpus.change(id, text="a")


def test_a_copy_within_a_set_is_a_warning_that_mentions_different_transcripts(corpus):
    corpus.change("train-02", audio=corpus["train-01"].audio, text="abcdab")
    (finding,) = corpus.findings("duplicates")
    assert (finding.severity, finding.set) == ("warning", "train")
    assert "1 of 1 with different transcripts" in finding.what


def test_sentences_shared_by_dev_and_test_are_a_note(corpus):
    corpus.long("dev-01", "dev-02", "dev-03", "dev-04", "dev-05")
    corpus.change("test-01", text=corpus["dev-01"].text)
    (finding,) = corpus.findings("texts")
    assert (finding.severity, finding.set, finding.ids) == ("note", "dev, test", ("test-01",))


def test_a_corpus_at_one_lower_rate_suggests_that_rate(corpus):
    for utterances in corpus.sets.values():
        for id in utterances:
            corpus.record(id, corpus.samples(id)[::2], RATE // 2)
    found = corpus.findings("sampling")
    assert {finding.set for finding in found} == {"train", "dev", "test"}
    assert found[0].remedy == "set features.rate = 8000" and found[0].severity == "warning"


def test_without_a_recipe_any_symbol_is_accepted_and_frames_are_still_counted(corpus):
    symbols(corpus)
    assert [finding.check for finding in corpus.findings(recipe=None)] == ["unseen"]  # in train
    unfit(corpus)
    assert {finding.check for finding in corpus.findings(recipe=None)} == {"unseen", "unfit", "tempo"}


def test_unknown_units_are_refused(corpus):
    with pytest.raises(AsrError, match="unknown units 'phonemes'"):
        corpus.findings(recipe=config.parse({"units": {"kind": "phonemes"}}, "test"))


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_24", "FLOAT", "ULAW", "ALAW", "IMA_ADPCM"])
def test_other_encodings_are_not_mistaken_for_damage(corpus, subtype):
    for id in list(corpus.sets["train"]):
        corpus.record(id, corpus.samples(id), subtype=subtype)
    assert corpus.findings() == []


@pytest.mark.parametrize("seed", range(3))
def test_noise_is_not_mistaken_for_a_lost_byte(corpus, seed):
    """White, pink-ish and blue noise at all levels."""
    generator = np.random.default_rng(seed)
    for level in (3e-4, 1e-2, 0.3):
        white = level * generator.standard_normal(RATE)
        for samples in (white, np.cumsum(white) / 50, np.diff(white)):
            corpus.record("train-00", np.clip(samples, -1, 1))
            recording = measure("train", corpus["train-00"])
            assert recording.shifted == 0 and not recording.newlines
