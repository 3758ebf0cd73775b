import hashlib
import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from asr import bundle, config, lm, recognize
from asr.decoders import DECODERS, Beam, Greedy, Search
from asr.decoders.beam import BeamSearch
from asr.errors import AsrError, InputError
from asr.evaluation import tuning
from asr.scoring.calibration import Calibration
from asr.support.settings import declared
from asr.training import loop
from asr.units import Units

CPU = torch.device("cpu")
UNITS = Units.of("characters", "abcd")


@pytest.fixture(scope="module")
def half_trained(toy, tmp_path_factory):
    """A system that still makes errors, so that there is something to tune."""
    parts = {
        "units": {"kind": "characters", "alphabet": "abcd"},
        "encoder": {"hidden": 24, "layers": 1},
        "training": {"epochs": 7, "batch": 4, "learning_rate": 0.03},
    }
    return loop.run(config.parse(parts, "test"), toy, tmp_path_factory.mktemp("runs") / "toy", CPU)


def test_tuning_makes_no_more_errors_than_its_grid_can_avoid(half_trained, toy):
    tuned = tuning.run(half_trained, toy, Search(Beam(width=8)), 2, CPU)
    plain = tuning.run(half_trained, toy, Search(), 0, CPU)
    assert 0 < tuned.count.total == plain.count.total
    assert tuned.count.errors <= plain.count.errors
    assert tuned.perplexity.perplexity < 8 and plain.perplexity is None


def test_a_set_that_is_not_dev_is_given_up_only_by_force(half_trained, toy, tmp_path):
    from asr.evaluation import measurement

    with pytest.raises(AsrError, match=r"test\.jsonl: is not a development set; .* --force"):
        tuning.run(half_trained, toy, Search(Beam(width=4)), 0, CPU, on="test")
    recorded = half_trained.parent / "decoder.json"
    kept = recorded.read_bytes() if recorded.exists() else None
    tuned = tuning.run(half_trained, toy, Search(Beam(width=4)), 0, CPU, on="test", force=True)
    with pytest.raises(AsrError, match="were tuned on this set"):
        measurement.run(half_trained, toy / "test.jsonl", tmp_path / "test", CPU, tuned.search)
    measurement.run(half_trained, toy / "test.jsonl", tmp_path / "test", CPU, tuned.search, force=True)
    assert json.loads((tmp_path / "test.json").read_text())["search"]["tuned_on_test"] is True
    recorded.write_bytes(kept) if kept else recorded.unlink()


def test_what_was_tuned_is_recorded_with_the_set_it_was_tuned_on(half_trained, toy):
    tuned = tuning.run(half_trained, toy, Search(Beam(width=8)), 2, CPU)
    recorded = Search.load(half_trained.parent / "decoder.json")
    assert recorded == tuned.search
    assert recorded.tuned_on == hashlib.sha256((toy / "dev.jsonl").read_bytes()).hexdigest()
    assert json.loads((half_trained.parent / "decoder.json").read_text())["lm"] == "units-2.arpa.gz"


def test_a_recorded_search_gives_the_errors_it_was_chosen_for(half_trained, toy, tmp_path):
    from asr.evaluation import measurement

    tuned = tuning.run(half_trained, toy, Search(Beam(width=8)), 2, CPU)
    found = measurement.run(half_trained, toy / "dev.jsonl", tmp_path / "dev", CPU, tuned.search)
    assert found.count == tuned.count
    assert found.results[0].reliability.error == pytest.approx(tuned.calibration_error[1], abs=1e-4)


def test_the_beam_of_a_search_is_the_beam_with_these_settings(tmp_path):
    model = lm.estimate(["abab", "abcd", "dcba"], 2, UNITS.symbols[1:])
    lm.write(model, tmp_path / "a.arpa")
    built = Search(Beam(width=9, lm=tmp_path / "a.arpa", weight=0.7, bonus=0.3)).build(UNITS)
    direct = BeamSearch(width=9, language=model.tables(UNITS.symbols), weight=0.7, bonus=0.3)
    log_probs = np.log(np.random.default_rng(1).dirichlet(np.ones(5), 30))
    assert built(log_probs) == direct(log_probs)
    assert Search().build(UNITS)(log_probs) == Greedy()(log_probs)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("bream", {}, r"unknown decoder 'bream': .* did you mean 'beam'\?"),
        ("greedy", {"width": 3}, "'width' is not a setting of the decoder 'greedy'; .* beam or lexicon"),
        ("beam", {"wide": 3}, "'wide' is not a setting of the decoder 'beam'; .* its settings are width, "),
        ("lexicon", {}, "needs a lexicon; add --lexicon FILE"),
        ("beam", {"weight": 0.5}, "weight 0.5 has no effect without lm; add --lm FILE"),
        ("beam", {"width": 0}, "width 0: must be at least 1"),
        ("beam", {"width": 2.5}, "width 2.5: must be of type integer"),
        ("beam", {"width": 3, "nbest": 4}, "nbest 4 exceeds width 3"),
        ("beam", {"bonus": float("nan")}, "bonus nan: must be at least -1000"),
        ("beam", {"bonus": 1e308}, r"bonus 1e\+308: must be at least -1000 and at most 1000"),
        ("beam", {"weight": 10**400}, r"weight 10+…0+: must be at least 0 and at most 1000"),
        ("beam", {"lm": 3}, "lm 3: must be the path of a file"),
    ],
)
def test_invalid_decoder_settings_are_refused(name, settings, message):
    with pytest.raises(AsrError, match=message):
        Search().changed(name, settings)


@pytest.mark.parametrize("text", ["", "[]", '{"decoder": "beam"}', '{"wide": 3}'])
def test_a_damaged_record_is_named(tmp_path, text):
    (tmp_path / "decoder.json").write_text(text)
    with pytest.raises(InputError, match="decoder.json: not decoder settings"):
        Search.load(tmp_path / "decoder.json")


def test_a_record_of_version_0_1_is_read_with_the_names_of_today(tmp_path):
    old = {"width": 25, "language": "a.arpa", "lexicon": None, "weight": 0.5, "bonus": 1.0, "calibration": [0.5, 0.1]}
    old |= {"decoder": "beam", "tuned_on": "a", "tuned_for": "b", "by_hand": False}
    (tmp_path / "decoder.json").write_text(json.dumps(old))
    beam = Beam(width=25, lm=tmp_path / "a.arpa", weight=0.5, bonus=1.0)
    assert Search.load(tmp_path / "decoder.json") == Search(beam, Calibration(0.5, 0.1), "a", "b")
    greedy = old | {"decoder": "greedy", "language": None, "weight": 0.0, "bonus": 0.0}
    (tmp_path / "decoder.json").write_text(json.dumps(greedy))
    assert Search.load(tmp_path / "decoder.json") == Search(Greedy(), Calibration(0.5, 0.1), "a", "b")


@pytest.mark.parametrize("name", sorted(DECODERS))
def test_every_decoder_of_the_table_is_tuned_over_the_values_that_it_declares(half_trained, toy, tmp_path, name):
    required = [key for key, one in declared(DECODERS[name]).items() if one.metadata["required"]]
    (tmp_path / "run").mkdir()
    for key in required:
        (tmp_path / "run" / key).write_text("".join(f"{letter}  /{letter}/\n" for letter in "abcd"))
    settings = DECODERS[name](**{key: tmp_path / "run" / key for key in required})
    values = settings.tunable()
    combinations = {tuple(getattr(trial, key) for key in values) for trial in tuning.trials(settings)}
    alone = [key for key in values if not declared(settings)[key].metadata["needs"]]
    assert len(combinations) == len(tuning.trials(settings)) == math.prod(len(values[key]) for key in alone)
    system = tmp_path / "run" / "best.safetensors"
    system.write_bytes(half_trained.read_bytes())
    tuned = tuning.run(system, toy, Search(settings), 0, CPU)
    assert Search.load(system.parent / "decoder.json") == tuned.search
    assert all(getattr(tuned.search.decoder, key) in tried for key, tried in values.items())


@pytest.mark.parametrize("seed", range(4))
def test_trials_that_are_given_up_early_change_no_choice(seed, monkeypatch):
    monkeypatch.setattr(tuning, "TOGETHER", 3)
    g = np.random.default_rng(seed)
    emissions = {str(i): np.log(g.dirichlet(np.full(5, 0.5), 12)) for i in range(20)}
    targets = [tuple(g.integers(1, 5, g.integers(4 + seed)).tolist()) for _ in emissions]
    dev = tuning._Dev(UNITS, SimpleNamespace(ids=list(emissions), targets=targets), [], emissions)
    count, grid = tuning._counter(dev, False), tuning.trials(Beam(width=4))
    found = [trial.build(UNITS) for trial in grid]
    errors = [sum(count(id, search(log_probs)[0]) for id, log_probs in emissions.items()) for search in found]
    best = min(range(len(grid)), key=lambda index: (errors[index], *tuning._size(grid[index])))
    assert len(set(errors)) > 3
    assert tuning._best(dev, Search(Beam(width=4))).decoder == grid[best]


def test_alignment_finds_tones_where_they_are(toy, tmp_path):
    parts = {
        "units": {"kind": "characters", "alphabet": "abcd"},
        "encoder": {"hidden": 24, "layers": 1},
        "training": {"epochs": 12, "batch": 4, "learning_rate": 0.03},
    }
    pytest.importorskip("torchaudio", exc_type=OSError, reason="torchaudio does not go with this torch")
    best = loop.run(config.parse(parts, "test"), toy, tmp_path / "run", CPU)
    from asr import manifest

    utterance = manifest.read(toy / "test.jsonl")[0]
    recognizer = recognize.Recognizer(bundle.load(best), Greedy(), CPU)
    segments = recognizer.align(utterance, list(utterance.text))
    assert [segment.symbol for segment in segments] == list(utterance.text)
    assert segments[0].start == 0 and segments[-1].end == pytest.approx(utterance.seconds)
    for place, segment in enumerate(segments):
        middle = 0.04 + 0.16 * place + 0.06
        assert segment.start < middle < segment.end
    with pytest.raises(InputError, match="too few for 300 units"):
        recognizer.align(utterance, ["a"] * 300)
