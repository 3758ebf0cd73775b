"""Each fault is planted in a run that went well and must be found by its check; that run is left in peace."""

import json
import math
from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
import torch
from result_files import EMPTY

from asr import bundle
from asr.doctor import RUN_CHECKS, examine, runs
from asr.doctor.runs import LayerActivity
from asr.errors import AsrError, InputError
from asr.support import files
from asr.training import loop

CPU = torch.device("cpu")


def read(folder, toy):
    return runs.read(folder, toy.parent, CPU)


def findings(folder, toy):
    return examine(read(folder, toy), RUN_CHECKS)


def found(folder, toy):
    return {(finding.severity, finding.check) for finding in findings(folder, toy)}


def rows(folder, change):
    """Change epochs.jsonl: `change` takes the rows."""
    path = folder / "epochs.jsonl"
    old = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(row) + "\n" for row in change(old)))


def weights(folder, change):
    """Change the best system: `change` takes the model."""
    system = bundle.load(folder / "best.safetensors")
    with torch.no_grad():
        change(system.model)
    system.save(folder / "best.safetensors")


def evaluated(run, name, **changed):
    """Write a result of no utterance."""
    row = EMPTY
    row |= {"bundle_sha256": files.sha256(run / "best.safetensors")} | changed
    (run / f"{name}.json").write_text(json.dumps(row))
    (run / f"{name}.utterances.jsonl").write_text("")


def bias(name, unit, value):
    def change(model):
        dict(model.named_parameters())[name][unit] += value

    return change


# Each plants one fault in a copy of the run and returns its severity.


def damaged(run):
    path = run / "best.safetensors"
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    return "error"


def broken(run):
    with mock.patch("numpy.isfinite", np.ones_like):  # saving refuses them; it did not always
        weights(run, bias("projection.bias", 1, float("nan")))
    return "error"


def started(run):
    system = bundle.load(run / "best.safetensors")
    start = bundle.build(system.recipe)
    start.facts = system.facts
    start.save(run / "best.safetensors")
    return "error"


def guessing(run):
    rows(run, lambda old: [row | {"loss": 1.4, "dev_loss": 1.4} for row in old])  # ln 4 = 1.39
    return "error"


def blank(run):
    weights(run, bias("projection.bias", 0, 1e3))
    return "error"


def units(run):
    weights(run, bias("projection.bias", 2, -1e3))  # b
    return "warning"


def hidden(run):
    # PyTorch's gates are input, forget, cell, output, of 24 units each: a closed output gate lets nothing through.
    weights(run, bias("cells.0.bias_ih_l0", slice(72, 80), -1e3))
    return "warning"


def loss(run):
    rows(run, lambda old: [*old[:-1], old[-1] | {"loss": math.nan}])
    return "error"


def skipped(run):
    rows(run, lambda old: [*old[:-1], old[-1] | {"skipped": 3}])
    return "warning"


def gradients(run):
    rows(run, lambda old: [*old[:-2], old[-2] | {"gradient_norm": 5e4}, old[-1]])
    return "warning"


def overfit(run):
    def change(old):
        worse = [
            old[-1] | {"epoch": 13 + i, "dev_loss": 1.0 + i, "dev": {"rate": 0.4 + i}, "loss": 1e-9} for i in range(5)
        ]
        return [*old, *worse]

    rows(run, change)
    return "warning"


def best(run):
    rows(run, lambda old: [*old, *(old[-1] | {"epoch": 13 + i, "best": False} for i in range(20))])
    return "note"


def improving(run):
    rows(run, lambda old: [*(row | {"dev": row["dev"] | {"rate": 0.9}} for row in old[:-1]), old[-1]])
    return "note"


def unfinished(run):
    for path in run.glob("step-*"):
        path.unlink()
    rows(run, lambda old: old[:-1])
    return "warning"


def data(run):
    system = bundle.load(run / "best.safetensors")
    for path in run.glob("step-*"):
        path.unlink()
    system.facts["data"]["train"] = "0" * 64
    system.save(run / "best.safetensors")
    return "warning"


def results(run):
    evaluated(run, "dev", bundle_sha256="0" * 64)
    return "warning"


PLANTS = {
    "damaged": damaged,
    "weights": broken,
    "started": started,
    "guessing": guessing,
    "blank": blank,
    "units": units,
    "hidden": hidden,
}
PLANTS |= {"loss": loss, "skipped": skipped, "gradients": gradients, "overfit": overfit, "best": best}
PLANTS |= {"improving": improving, "unfinished": unfinished, "data": data, "results": results}


def test_a_good_run_has_no_findings(learned, toy):
    assert findings(learned, toy) == []


@pytest.mark.parametrize("name", RUN_CHECKS)
def test_a_planted_fault_is_found_by_its_check(sound, toy, name):
    severity = PLANTS[name](sound)
    everything = findings(sound, toy)
    mine = [finding for finding in everything if finding.check == name]
    assert {finding.severity for finding in mine} == {severity}
    assert all(finding.what and finding.remedy and "\n" not in finding.what + finding.remedy for finding in everything)


@pytest.mark.parametrize("name", set(RUN_CHECKS) - {"started", "overfit", "best", "hidden"})
def test_a_planted_fault_causes_no_other_finding(sound, toy, name):
    PLANTS[name](sound)
    assert {check for _, check in found(sound, toy)} == {name}


@pytest.mark.parametrize("text", ["[]", "{}", "{", '{"bundle_sha256": "0"}'])
def test_only_unreadable_results_are_found(sound, toy, text):
    evaluated(sound, "dev")
    (sound / "decoder.json").write_text("{}")  # what tuning recorded is no result
    assert findings(sound, toy) == []
    (sound / "test.json").write_text(text)
    (finding,) = findings(sound, toy)
    assert (finding.severity, finding.check, finding.ids) == ("warning", "results", ("test.json",))


def test_a_tiny_learning_rate_is_distinguished_from_the_blank_plateau(learn, toy):
    checks = found(learn(epochs=1, learning_rate=1e-9), toy)
    assert ("error", "started") in checks and ("error", "blank") not in checks


def test_the_blank_plateau_is_explained_with_remedies(learn, toy):
    """Two epochs lead there and no further."""
    (finding,) = findings(learn(epochs=2), toy)
    assert (finding.severity, finding.check) == ("error", "blank")
    assert finding.value < 0.1
    assert all(word in finding.remedy for word in ("blank is the safest", "batch", "deltas", "noise", "learning rate"))


def test_records_of_older_versions_are_read(sound, toy):
    newer = {"dev_loss", "blank", "skipped", "gradient_norm_max"}
    rows(sound, lambda old: [{key: row[key] for key in row.keys() - newer} for row in old])
    assert findings(sound, toy) == []
    worse = {"dev": {"rate": 0.9}, "loss": 1e-9}
    rows(sound, lambda old: [*old, *(old[-1] | worse | {"epoch": 13 + i} for i in range(5))])
    assert ("warning", "overfit") in found(sound, toy)


def test_a_rising_dev_loss_with_a_stable_error_rate_is_a_note(sound, toy):
    rows(sound, lambda old: [*old, *(old[-1] | {"epoch": 13 + i, "dev_loss": 9, "loss": 1e-9} for i in range(5))])
    assert found(sound, toy) == {("note", "overfit")}


def test_constantly_huge_gradients_are_found(sound, toy):
    rows(sound, lambda old: [row | {"gradient_norm": 1e9} for row in old])
    assert found(sound, toy) == {("warning", "gradients")}


def test_a_single_exploding_step_is_found_but_not_large_gradients_on_the_plateau(sound, toy):
    rows(sound, lambda old: [old[0] | {"gradient_norm": 1e4, "gradient_norm_max": 1e5}, *old[1:]])
    assert findings(sound, toy) == []
    rows(sound, lambda old: [*old[:-1], old[-1] | {"gradient_norm_max": 1e5}])
    (finding,) = findings(sound, toy)
    assert (finding.check, finding.ids, finding.value) == ("gradients", ("12",), 1e5)


def test_saturated_hidden_units_are_found(learned, toy):
    run = read(learned, toy)
    (layer,) = run.output.layers
    full = np.where(np.arange(48) < 2, 0.99, 0.1)
    spoilt = replace(run, output=replace(run.output, layers=[LayerActivity(layer.spread, full)]))
    (finding,) = examine(spoilt, RUN_CHECKS)
    assert (finding.severity, finding.check, finding.ids) == ("note", "hidden", ("1:0", "1:1"))


def test_activity_statistics_exclude_padding(learned, toy):
    """Witness: each utterance alone, without padding."""
    from asr import dataset

    system = bundle.load(learned / "best.safetensors")
    dev = dataset.read(system, toy / "dev.jsonl")
    outputs = []
    with torch.inference_mode():
        for i in range(len(dev)):
            alone = dev.batch([i])
            outputs.append(system.model.cells[0](alone.features, alone.lengths)[0].numpy())
    values = np.concatenate(outputs)
    (layer,) = read(learned, toy).output.layers
    np.testing.assert_allclose(layer.spread, values.std(axis=0), atol=1e-5)
    np.testing.assert_allclose(layer.saturated, (abs(values) >= 0.99).mean(axis=0), atol=1e-3)


def test_a_damaged_checkpoint_is_a_warning_and_the_one_before_it_is_used(sound, toy):
    newest = max(sound.glob("step-*"))
    newest.write_bytes(newest.read_bytes()[:-9])
    checks = found(sound, toy)
    assert ("warning", "damaged") in checks and ("error", "damaged") not in checks


def test_a_run_in_progress_is_a_note(sound, toy):
    unfinished(sound)
    with files.locked(sound / ".lock"):
        assert found(sound, toy) == {("note", "unfinished")}
    assert found(sound, toy) == {("warning", "unfinished")}


def test_an_interrupted_run_is_unfinished(toy_recipe, toy, tmp_path, monkeypatch):
    seen = []
    end_epoch = loop._end_epoch

    def stop(*arguments):
        end_epoch(*arguments)
        seen.append(1)
        if len(seen) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(loop, "_end_epoch", stop)
    with pytest.raises(KeyboardInterrupt):
        loop.run(toy_recipe(), toy, tmp_path, CPU)
    (finding,) = [finding for finding in findings(tmp_path, toy) if finding.check == "unfinished"]
    assert finding.what == "2 of 12 epochs are done"


def test_missing_data_is_a_warning_and_records_are_still_checked(sound, tmp_path):
    folder = tmp_path / "nowhere"
    rows(
        sound,
        lambda old: [
            *old[:-1],
            old[-1] | {"dev": {"hits": 0, "substitutions": 0, "insertions": 0, "deletions": 9, "rate": 1.0}},
        ],
    )
    checks = {(f.severity, f.check) for f in examine(runs.read(sound, folder, CPU), RUN_CHECKS)}
    assert {("warning", "data"), ("error", "blank")} <= checks


def test_a_run_without_its_best_system_is_an_error(sound, toy):
    (sound / "best.safetensors").unlink()
    assert ("error", "damaged") in found(sound, toy)


def test_a_folder_without_a_run_is_refused(tmp_path, sound, toy):
    with pytest.raises(InputError, match="contains no recipe.toml; pass a folder written by `asr train`"):
        read(tmp_path, toy)
    (sound / "epochs.jsonl").write_text("{")
    with pytest.raises(AsrError, match=r"epochs.jsonl: cannot be read .*; restore it"):
        read(sound, toy)
    (sound / "epochs.jsonl").write_text("[]\n")
    with pytest.raises(AsrError, match=r"epochs.jsonl:1: not a valid record \('epoch' is missing or .*\); restore it"):
        read(sound, toy)


def test_the_run_folder_is_not_changed(sound, toy):
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in sound.rglob("*")}
    findings(sound, toy)
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in sound.rglob("*")} == before
