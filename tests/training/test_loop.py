import json

import numpy as np
import pytest
import torch

from asr import bundle, config, manifest
from asr.errors import AsrError, InputError
from asr.evaluation import measurement
from asr.features.store import Store
from asr.scoring.alignment import ErrorCount
from asr.training import checkpoint, loop
from asr.training.verdict import nothing_learned

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


def test_the_toy_corpus_is_learned(trained, toy, tmp_path):
    result = measurement.run(trained, toy / "test.jsonl", tmp_path / "test", CPU)
    assert result.results[0].metric == "CER"
    assert result.count.errors <= 1 and result.count.total > 30


def test_a_run_folder_contains_the_documented_files(trained):
    names = {path.name for path in trained.parent.iterdir()}
    checkpoints = {"step-00000132.safetensors", "step-00000144.safetensors"}
    assert names == {"best.safetensors", "epochs.jsonl", "recipe.toml", ".lock"} | checkpoints
    assert config.load(trained.parent / "recipe.toml") == bundle.resolve(recipe())


def test_every_epoch_is_one_json_line(trained):
    rows = lines(trained.parent)
    assert [row["epoch"] for row in rows] == list(range(1, 13))
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert {"loss", "dev", "learning_rate", "gradient_norm", "frames_per_second", "padding", "seconds"} <= set(rows[0])
    assert {"dev_loss", "blank", "skipped", "gradient_norm_max"} <= set(rows[0])
    assert 0 < rows[-1]["dev_loss"] < rows[0]["dev_loss"] and 0 < rows[-1]["blank"] < 1


def test_the_best_and_the_last_epoch_are_both_kept(trained):
    rows = lines(trained.parent)
    best, last = bundle.load(trained).facts, bundle.load(checkpoint.paths(trained.parent)[0]).facts
    assert best["dev"] == min(row["dev"]["rate"] for row in rows) and rows[best["epoch"] - 1]["best"]
    assert last["epoch"] == 12 and last["finished"]


def test_the_dev_error_rate_equals_that_of_evaluation(trained, toy, tmp_path):
    result = measurement.run(trained, toy / "dev.jsonl", tmp_path / "dev", CPU)
    assert result.count.rate == bundle.load(trained).facts["dev"]


def test_a_run_is_reproducible_from_its_seed(toy, tmp_path):
    def weights(name, **changes):
        path = loop.run(recipe(epochs=2, noise=0.1, **changes), toy, tmp_path / name, CPU)
        return torch.cat([p.flatten() for p in bundle.load(path).model.parameters()])

    once = weights("once")
    assert torch.equal(once, weights("again"))
    assert not torch.equal(once, weights("other", seed=2))


def test_a_finished_run_is_left_unchanged_and_a_different_recipe_refused(trained, toy, capsys):
    before = trained.stat().st_mtime_ns
    assert loop.run(recipe(), toy, trained.parent, CPU) == trained
    assert "already trained" in capsys.readouterr().err
    with pytest.raises(AsrError, match=r"belongs to a different recipe \(training.epochs: 12 → 9\); delete"):
        loop.run(recipe(epochs=9), toy, trained.parent, CPU)
    assert trained.stat().st_mtime_ns == before


def test_patience_stops_a_run_that_no_longer_improves(toy, tmp_path):
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


def test_utterances_too_short_for_their_transcripts_are_reported_and_skipped(toy, tmp_path, capsys):
    loop.run(recipe(epochs=1), shortened(toy, tmp_path, "a" * 200), tmp_path / "run", CPU)
    said = capsys.readouterr().err
    assert (
        "train-00: " in said
        and "too few for 200 units (needs 399, with a blank between 199 equal neighbors); skipped" in said
    )
    assert "1 of 48 utterances are too short for their transcripts and were skipped" in said


def test_a_transcript_with_an_unknown_symbol_is_refused(toy, tmp_path):
    with pytest.raises(InputError, match=r"00.wav \(train-00\): 'é' is not a unit"):
        loop.run(recipe(), shortened(toy, tmp_path, "abé"), tmp_path / "run", CPU)


def test_a_finished_run_on_different_data_is_refused(toy, tmp_path):
    corpus = shortened(toy, tmp_path, "abc")
    best = loop.run(recipe(epochs=1), corpus, tmp_path / "run", CPU)
    manifest.write(corpus / "train.jsonl", manifest.read(corpus / "train.jsonl")[5:])
    with pytest.raises(AsrError, match="was trained on different data"):
        loop.run(recipe(epochs=1), corpus, best.parent, CPU)


def test_a_run_without_its_best_system_is_trained_again(toy, tmp_path):
    best = loop.run(recipe(epochs=1), toy, tmp_path, CPU)
    before = bundle.load(best).model.state_dict()
    best.unlink()
    again = bundle.load(loop.run(recipe(epochs=1), toy, tmp_path, CPU)).model.state_dict()
    assert all(torch.equal(before[name], again[name]) for name in before)


@pytest.mark.parametrize("normalise", ["speaker", "global", "none"])
def test_every_normalization_trains(toy, tmp_path, normalise):
    settings = recipe(epochs=3).as_dict() | {"features": {"normalise": normalise}}
    loop.run(config.parse(settings, "test"), toy, tmp_path, CPU)
    rows = lines(tmp_path)
    assert np.isfinite(rows[-1]["loss"]) and rows[-1]["loss"] < rows[0]["loss"]


def test_augmentations_train_and_speeds_apply_to_training_only(toy, tmp_path):
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


def test_each_augmentation_changes_the_training_loss(toy, tmp_path):
    def loss(name, **settings):
        parts = recipe(epochs=1, noise=settings.pop("noise", 0.0)).as_dict() | {"augment": settings}
        loop.run(config.parse(parts, "test"), toy, tmp_path / name, CPU)
        return lines(tmp_path / name)[0]["loss"]

    found = [loss("none"), loss("noise", noise=0.3), loss("time", time_masks=2), loss("bands", frequency_masks=1)]
    assert len(set(found)) == 4 and loss("again", time_masks=2) == found[2]


@pytest.mark.parametrize(
    ("epochs", "best"),
    [([(1.0, 4.0), (1.0, 3.0)], 2), ([(1.0, 3.0), (1.0, 4.0)], 1), ([(0.4, 2.0), (0.4, 1.5), (0.5, 1.0)], 2)],
)
def test_the_best_epoch_has_the_lowest_error_rate_and_among_equals_the_lowest_loss(
    toy, tmp_path, monkeypatch, epochs, best
):
    results = iter(epochs)

    def evaluate(run):
        rate, loss = next(results)
        return ErrorCount(hits=100 - round(100 * rate), deletions=round(100 * rate)), loss, 0.5

    monkeypatch.setattr(loop, "_evaluate", evaluate)
    path = loop.run(recipe(epochs=len(epochs)), toy, tmp_path, CPU)
    assert bundle.load(path).facts["epoch"] == best
    assert checkpoint.newest(tmp_path).progress.best == min(rate for rate, _ in epochs)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"precision": "bfloat16"}, "training.precision = 'bfloat16': needs CUDA; use float32 on cpu"),
        ({"optimizer": "adam"}, "unknown optimizer 'adam': choose from adamw, sgd; did you mean 'adamw'"),
        ({"schedule": "halve"}, "unknown schedule 'halve': choose from constant, halving, one-cycle"),
    ],
    ids=str,
)
def test_what_is_not_supported_is_refused_before_features_are_computed(toy, tmp_path, monkeypatch, setting, message):
    monkeypatch.setattr(Store, "open", lambda *_, **__: pytest.fail("features were computed"))
    with pytest.raises(AsrError, match=message):
        loop.run(recipe(**setting), toy, tmp_path, CPU)


def test_a_run_whose_weights_hardly_changed_says_so_with_a_remedy(trained, toy, tmp_path, capsys):
    loop.run(recipe(epochs=1, learning_rate=1e-9), toy, tmp_path / "run", CPU)
    assert "run: nothing was learned (the weights changed by only" in capsys.readouterr().err
    assert "raise training.learning_rate (now 1e-09) or training.epochs (1)" in nothing_learned(tmp_path / "run")
    assert nothing_learned(trained.parent) == ""


def test_a_run_that_outputs_only_blank_says_so_with_a_remedy(toy, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(loop, "_evaluate", lambda _: (ErrorCount(deletions=100), 3.0, 1.0))
    for _ in range(2):  # the second call finds the run finished
        loop.run(recipe(epochs=1), toy, tmp_path, CPU)
        warning = capsys.readouterr().err.splitlines()[-1]
        assert "(the best dev error rate is 100.0 %, with blank in 100 % of the frames); train for more" in warning
