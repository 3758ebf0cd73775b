import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from asr import bundle, manifest
from asr.config import parse
from asr.decoders import Beam, Search
from asr.errors import AsrError
from asr.evaluation import measurement, provenance
from asr.support import files
from asr.training import loop

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def system(toy, tmp_path_factory):
    """A system of one epoch: enough to be scored."""
    parts = {"units": {"kind": "characters", "alphabet": "abcd"}, "encoder": {"hidden": 8, "layers": 1}}
    recipe = parse(parts | {"training": {"epochs": 1, "batch": 16}}, "test")
    return loop.run(recipe, toy, tmp_path_factory.mktemp("runs") / "toy", CPU)


def tuned_on(path, **settings):
    return Search(Beam(width=4, bonus=1.0), tuned_on=files.sha256(path), **settings)


def scored(system, data, out, search, force=False):
    found = measurement.run(system, data, out, CPU, search, force)
    return found, json.loads(out.with_name(f"{out.name}.json").read_text())


def test_parameters_chosen_on_dev_are_named_and_marked_only_on_dev(system, toy, tmp_path):
    found, row = scored(system, toy / "test.jsonl", tmp_path / "test", tuned_on(toy / "dev.jsonl"))
    assert row["search"]["tuned_on_set"] == "dev" and found.remark == ""
    assert not {"tuned_here", "tuned_on_test", "by_hand"} & set(row["search"])
    found, row = scored(system, toy / "dev.jsonl", tmp_path / "dev", tuned_on(toy / "dev.jsonl"))
    assert row["search"]["tuned_here"] is True and found.remark == "tuned on dev itself"


def test_parameters_chosen_on_the_set_are_refused_unless_forced_and_then_marked(system, toy, tmp_path):
    search = tuned_on(toy / "test.jsonl")
    with pytest.raises(AsrError, match=r"test\.jsonl: the settings .* were tuned on this set; .* --force"):
        scored(system, toy / "test.jsonl", tmp_path / "test", search)
    assert not (tmp_path / "test.json").exists()
    found, row = scored(system, toy / "test.jsonl", tmp_path / "test", search, force=True)
    assert row["search"]["tuned_on_test"] is True and found.remark == "tuned on test itself: not a test"


def test_a_copy_of_the_set_under_another_name_is_the_set(system, toy, tmp_path):
    shutil.copytree(toy, tmp_path / "toy")
    shutil.copy(tmp_path / "toy" / "test.jsonl", tmp_path / "toy" / "mine.jsonl")
    with pytest.raises(AsrError, match="were tuned on this set"):
        scored(system, tmp_path / "toy" / "mine.jsonl", tmp_path / "mine", tuned_on(toy / "test.jsonl"))


def test_weights_given_by_hand_are_marked(system, toy, tmp_path):
    found, row = scored(system, toy / "test.jsonl", tmp_path / "test", Search(Beam(width=4, bonus=1.0)))
    assert row["search"]["by_hand"] is True and row["search"]["tuned_on"] == ""
    assert found.remark == "settings chosen by hand"
    found, row = scored(system, toy / "test.jsonl", tmp_path / "test", Search())
    assert found.remark == "" and "by_hand" not in row["search"]


def test_a_result_names_all_that_it_came_from(system, toy, tmp_path):
    _, row = scored(system, toy / "test.jsonl", tmp_path / "test", Search(Beam(width=4)))
    assert row["manifest_sha256"] == files.sha256(toy / "test.jsonl")
    assert row["bundle_sha256"] == files.sha256(system)
    assert row["set"] == "test" and row["seed"] == 1 and row["date"] and row["command"]
    assert row["search"]["decoder"] == "beam" and row["search"]["width"] == 4
    assert "torch" in row["machine"]
    assert [one["name"] for one in row["conventions"]] == ["standard", "mean of utterances"]
    assert row["conventions"][0]["rate"] == row["rate"] and row["convention"] == row["conventions"][0]["title"]
    rows = [json.loads(line) for line in (tmp_path / "test.utterances.jsonl").read_text().splitlines()]
    assert all({"id", "speaker", "text", "seconds", "alignment", "units"} <= set(one) for one in rows)


@pytest.mark.parametrize(("name", "dev"), [("dev", True), ("dev-noisy", True), ("test", False), ("developed", False)])
def test_what_is_there_to_choose_on_is_called_dev(tmp_path, name, dev):
    assert provenance.is_dev(tmp_path / f"{name}.jsonl") is dev


def test_a_result_says_which_source_trained_the_system_and_where(system, toy, tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "commit", iter(["before", "after"]).__next__)
    _, row = scored(system, toy / "test.jsonl", tmp_path / "test", Search())
    assert row["commit"] == "before"  # that of the beginning, whatever changed meanwhile
    assert row["trained"] == bundle.load(system).facts["trained"]
    assert set(row["trained"]) == {"commit", "machine"} and "torch" in row["trained"]["machine"]


def test_a_run_that_goes_on_at_another_commit_names_both(monkeypatch):
    monkeypatch.setattr(provenance, "commit", lambda: "b")
    for before, both in [("a", "a, b"), ("a, b", "a, b"), ("b", "b"), (None, None)]:
        assert provenance.training(CPU, {"trained": {"commit": before}})["commit"] == both
    assert provenance.training(CPU, {})["commit"] is None and provenance.training(CPU)["commit"] == "b"


@pytest.mark.parametrize("name", ["/x/asr/__main__.py", "/x/bin/asr"])
def test_the_command_can_be_given_again(monkeypatch, name):
    monkeypatch.setattr(sys, "argv", [name, "evaluate", "runs/a b"])
    assert provenance.command() == "asr evaluate 'runs/a b'"


def test_the_machine_names_its_processor_and_threads():
    assert f", {torch.get_num_threads()} threads, " in provenance.machine(CPU)
    info = Path("/proc/cpuinfo")
    models = [line.partition(": ")[2] for line in info.read_text().splitlines() if line.startswith("model name")]
    assert not models or models[0] in provenance.machine(CPU)


def test_speakers_that_nobody_named_are_not_counted(system, toy, tmp_path):
    _, row = scored(system, toy / "test.jsonl", tmp_path / "known", Search())
    utterances = manifest.read(toy / "test.jsonl")
    assert row["speakers"] == len({u.speaker for u in utterances}) and row["resampled"] == "speakers"
    manifest.write(tmp_path / "mine.jsonl", [replace(u, speaker="") for u in utterances])
    _, row = scored(system, tmp_path / "mine.jsonl", tmp_path / "unknown", Search())
    assert row["speakers"] is None and row["resampled"] == "utterances"


@pytest.mark.parametrize(
    ("ids", "speakers", "what"),
    [(("a-1", "a_1"), ("", ""), "2 ids would become 1"), (("a", "b"), ("an_n", "ann"), "2 speakers would become 1")],
)
def test_what_would_become_one_in_trn_is_refused(system, toy, tmp_path, ids, speakers, what):
    utterances = [
        replace(utterance, id=id, speaker=speaker)
        for utterance, id, speaker in zip(manifest.read(toy / "test.jsonl"), ids, speakers, strict=False)
    ]
    manifest.write(tmp_path / "mine.jsonl", utterances)
    found, _ = scored(system, tmp_path / "mine.jsonl", tmp_path / "out", Search())
    with pytest.raises(AsrError, match=what):
        measurement.write_trn(found, tmp_path / "out")
    assert not list(tmp_path.glob("*.trn"))
