import json

import pytest
import torch

from asr import bundle, config
from asr.errors import AsrError, BundleError
from asr.training import initial, loop

CPU = torch.device("cpu")
SMALL = {"encoder": {"hidden": 6, "layers": 1, "norm": True}, "frontend": {"kind": "stack"}}


def system(alphabet="abcd", **parts):
    units = {"kind": "characters", "alphabet": alphabet}
    return bundle.build(config.parse({"units": units, **SMALL, **parts}, "test"))


def saved(tmp_path, **changes):
    old = system(**changes)
    with torch.no_grad():
        for parameter in old.model.parameters():
            parameter.add_(1.0)
    old.save(tmp_path / "best.safetensors")
    return old


def test_the_encoder_is_taken_and_the_projection_of_the_units_that_both_know(tmp_path):
    old, new, fresh = saved(tmp_path, alphabet="abcd"), system("xdbyz"), system("xdbyz")
    facts = initial.take(new, tmp_path)
    assert facts["units"] == 3 and facts["of"] == 6 and len(facts["sha256"]) == 64, "blank, d and b"
    for name, values in new.model.state_dict().items():
        if not name.startswith("projection"):
            assert (values == old.model.state_dict()[name]).all(), name
    for name in ("weight", "bias"):
        before, after = (getattr(one.model.projection, name) for one in (old, new))
        untouched = getattr(fresh.model.projection, name)
        for row, symbol in enumerate(new.units.symbols):
            known = symbol in old.units.symbols
            wanted = before[old.units.symbols.index(symbol)] if known else untouched[row]
            assert (after[row] == wanted).all(), symbol


def test_a_bundle_will_do_in_place_of_a_run(tmp_path):
    saved(tmp_path)
    assert initial.take(system(), tmp_path / "best.safetensors")["units"] == 5


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"features": {"rate": 8000}}, "features differ, rate is 16000 there and 8000 here; use the same"),
        ({"features": {"deltas": 1}}, "features differ, deltas is none there and 1 here; use the same"),
        ({"encoder": {"hidden": 8, "layers": 1, "norm": True}}, "has sizes .* use the same .frontend. and .encoder."),
        ({"encoder": {"hidden": 6, "layers": 2, "norm": True}}, "only one of the two networks has 'cells.1"),
        ({"encoder": {"hidden": 6, "layers": 1}}, "only one of the two networks has 'norms.0"),
        ({"frontend": {"kind": "none"}}, "'cells.0.weight_ih_l0' has sizes"),
    ],
)
def test_another_network_or_other_features_are_refused(tmp_path, parts, message):
    saved(tmp_path)
    with pytest.raises(AsrError, match=r"training.init = '.*': .*" + message):
        initial.take(system(**{**SMALL, **parts}), tmp_path)


def test_a_system_that_is_not_there_is_named(tmp_path):
    with pytest.raises(BundleError, match="none.safetensors"):
        initial.take(system(), tmp_path / "none.safetensors")


def recipe(init="", **training):
    units = {"kind": "characters", "alphabet": "abcd"}
    settings = {"epochs": 2, "batch": 4, "learning_rate": 0.01, "init": str(init)} | training
    return config.parse({"units": units, **SMALL, "training": settings}, "test")


def test_a_run_starts_from_a_system_says_so_in_its_facts_and_resumes_exactly(toy, tmp_path, capsys, monkeypatch):
    first = loop.run(recipe(), toy, tmp_path / "first", CPU)
    whole = loop.run(recipe(init=tmp_path / "first"), toy, tmp_path / "whole", CPU)
    assert "its encoder and 5 of 5 units" in capsys.readouterr().err
    assert bundle.load(whole).facts["init"]["path"] == str(tmp_path / "first")
    rows = [json.loads(line) for line in (tmp_path / "whole" / "epochs.jsonl").read_text().splitlines()]
    untrained = [json.loads(line) for line in (tmp_path / "first" / "epochs.jsonl").read_text().splitlines()]
    assert rows[0]["loss"] < untrained[0]["loss"]

    real, calls = loop._evaluate, []

    def once(run):
        calls.append(run)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(run)

    parted = tmp_path / "parted"
    with monkeypatch.context() as patched:
        patched.setattr(loop, "_evaluate", once)
        with pytest.raises(KeyboardInterrupt):
            loop.run(recipe(init=tmp_path / "first"), toy, parted, CPU)
    first.unlink()  # what it started from is no longer needed
    again = loop.run(recipe(init=tmp_path / "first"), toy, parted, CPU)
    one, other = bundle.load(whole), bundle.load(again)
    assert other.facts["init"] == one.facts["init"]
    assert all((a == b).all() for a, b in zip(one.model.parameters(), other.model.parameters(), strict=True))
