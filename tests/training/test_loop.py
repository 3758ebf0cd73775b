import json

import numpy as np
import pytest
import torch

from asr import bundle, config, manifest
from asr.errors import AsrError, InputError
from asr.evaluation import measurement
from asr.training import checkpoint, loop

CPU = torch.device("cpu")


def recipe(**training):
    settings = {"epochs": 12, "batch": 4, "learning_rate": 0.03} | training
    units = {"kind": "characters", "alphabet": "abcd"}
    return config.parse({"units": units, "encoder": {"hidden": 24, "layers": 1}, "training": settings}, "test")


@pytest.fixture(scope="module")
def trained(toy, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "toy"
    return loop.run(recipe(), toy, out, CPU)


def lines(run):
    return [json.loads(line) for line in (run / "epochs.jsonl").read_text().splitlines()]


def test_tones_are_learned_without_error(trained, toy, tmp_path):
    result = measurement.run(trained, toy / "test.jsonl", tmp_path / "test", CPU)
    assert result.results[0].metric == "CER"
    assert result.count.errors <= 1 and result.count.total > 30


def test_a_run_folder_holds_what_it_promises(trained):
    names = {path.name for path in trained.parent.iterdir()}
    checkpoints = {"step-00000132.safetensors", "step-00000144.safetensors"}
    assert names == {"best.safetensors", "epochs.jsonl", "recipe.toml", ".lock"} | checkpoints
    assert config.load(trained.parent / "recipe.toml") == bundle.resolve(recipe())


def test_each_epoch_is_one_json_line(trained):
    rows = lines(trained.parent)
    assert [row["epoch"] for row in rows] == list(range(1, 13))
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert {"loss", "dev", "learning_rate", "gradient_norm", "frames_per_second", "padding", "seconds"} <= set(rows[0])
    assert {"dev_loss", "blank", "skipped", "gradient_norm_max"} <= set(rows[0])
    assert 0 < rows[-1]["dev_loss"] < rows[0]["dev_loss"] and 0 < rows[-1]["blank"] < 1


def test_the_best_epoch_is_kept_beside_the_last(trained):
    rows = lines(trained.parent)
    best, last = bundle.load(trained).facts, bundle.load(checkpoint.found(trained.parent)[0]).facts
    assert best["dev"] == min(row["dev"]["rate"] for row in rows) and rows[best["epoch"] - 1]["best"]
    assert last["epoch"] == 12 and last["finished"]


def test_dev_error_in_training_is_that_of_evaluation(trained, toy, tmp_path):
    result = measurement.run(trained, toy / "dev.jsonl", tmp_path / "dev", CPU)
    assert result.count.rate == bundle.load(trained).facts["dev"]


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(toy, tmp_path):
    def weights(name, **changes):
        path = loop.run(recipe(epochs=2, noise=0.1, **changes), toy, tmp_path / name, CPU)
        return torch.cat([p.flatten() for p in bundle.load(path).model.parameters()])

    once = weights("once")
    assert torch.equal(once, weights("again"))
    assert not torch.equal(once, weights("other", seed=2))


def test_a_finished_run_is_left_alone_and_another_recipe_refused(trained, toy, capsys):
    before = trained.stat().st_mtime_ns
    assert loop.run(recipe(), toy, trained.parent, CPU) == trained
    assert "already trained" in capsys.readouterr().err
    with pytest.raises(AsrError, match=r"holds a run of another recipe \(training.epochs: 12 → 9\); remove it"):
        loop.run(recipe(epochs=9), toy, trained.parent, CPU)
    assert trained.stat().st_mtime_ns == before


def test_patience_stops_a_run_that_gets_no_better(toy, tmp_path):
    loop.run(recipe(epochs=50, patience=2, learning_rate=1e-9), toy, tmp_path, CPU)
    assert len(lines(tmp_path)) == 3


def shortened(toy, tmp_path, text):
    """A copy of the corpus in which one training utterance claims a longer transcript than it can hold."""
    utterances = manifest.read(toy / "train.jsonl")
    first = utterances[0]
    changed = manifest.Utterance(first.id, first.audio, first.seconds, first.speaker, text)
    manifest.write(tmp_path / "train.jsonl", [changed, *utterances[1:]])
    manifest.write(tmp_path / "dev.jsonl", manifest.read(toy / "dev.jsonl"))
    return tmp_path


def test_an_utterance_too_short_for_its_transcript_is_named_and_counted(toy, tmp_path, capsys):
    loop.run(recipe(epochs=1), shortened(toy, tmp_path, "a" * 200), tmp_path / "run", CPU)
    said = capsys.readouterr().err
    assert "train-00: " in said and "cannot hold 200 units (needs 399); left out" in said
    assert "1 of 48 utterances left out of training" in said


def test_a_transcript_with_an_unknown_symbol_is_named(toy, tmp_path):
    with pytest.raises(InputError, match=r"00.wav \(train-00\): 'é' is not a unit"):
        loop.run(recipe(), shortened(toy, tmp_path, "abé"), tmp_path / "run", CPU)


def test_a_run_on_other_data_is_not_taken_for_this_one(toy, tmp_path):
    corpus = shortened(toy, tmp_path, "abc")
    best = loop.run(recipe(epochs=1), corpus, tmp_path / "run", CPU)
    manifest.write(corpus / "train.jsonl", manifest.read(corpus / "train.jsonl")[5:])
    with pytest.raises(AsrError, match="holds a run on other data"):
        loop.run(recipe(epochs=1), corpus, best.parent, CPU)


def test_a_run_that_lost_its_best_is_trained_again(toy, tmp_path):
    best = loop.run(recipe(epochs=1), toy, tmp_path, CPU)
    before = bundle.load(best).model.state_dict()
    best.unlink()
    again = bundle.load(loop.run(recipe(epochs=1), toy, tmp_path, CPU)).model.state_dict()
    assert all(torch.equal(before[name], again[name]) for name in before)


@pytest.mark.parametrize("normalise", ["speaker", "global", "none"])
def test_every_way_to_normalise_learns(toy, tmp_path, normalise):
    settings = recipe(epochs=3).as_dict() | {"features": {"normalise": normalise}}
    loop.run(config.parse(settings, "test"), toy, tmp_path, CPU)
    rows = lines(tmp_path)
    assert np.isfinite(rows[-1]["loss"]) and rows[-1]["loss"] < rows[0]["loss"]


def test_every_augmentation_learns_and_speeds_are_for_training_alone(toy, tmp_path):
    augment = {"speeds": [0.95, 1, 1.05], "time_masks": 1, "time_width": 3, "frequency_masks": 1, "frequency_width": 1}
    settings = recipe(epochs=2, noise=0.1).as_dict() | {"augment": augment}
    loop.run(config.parse(settings, "test"), toy, tmp_path, CPU)
    rows = lines(tmp_path)
    assert rows[-1]["loss"] < rows[0]["loss"]
    frames = [row["frames_per_second"] * row["seconds"] for row in rows]
    once = sum(1 + (int(u.seconds * 16000 + 0.5) - 400) // 160 for u in manifest.read(toy / "train.jsonl"))
    assert frames[0] == pytest.approx((1 / 0.95 + 1 + 1 / 1.05) * once, rel=0.02)
    counts = rows[0]["dev"]
    assert counts["hits"] + counts["substitutions"] + counts["deletions"] == sum(
        len(u.text) for u in manifest.read(toy / "dev.jsonl")
    )


def test_each_augmentation_reaches_the_training(toy, tmp_path):
    def loss(name, **settings):
        parts = recipe(epochs=1, noise=settings.pop("noise", 0.0)).as_dict() | {"augment": settings}
        loop.run(config.parse(parts, "test"), toy, tmp_path / name, CPU)
        return lines(tmp_path / name)[0]["loss"]

    found = [loss("none"), loss("noise", noise=0.3), loss("time", time_masks=2), loss("bands", frequency_masks=1)]
    assert len(set(found)) == 4 and loss("again", time_masks=2) == found[2]
