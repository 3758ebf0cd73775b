import hashlib
import json

import numpy as np
import pytest
import torch

from asr import bundle, config, lm, recognize
from asr.decoders import Beam, Greedy, Search, build
from asr.errors import AsrError, InputError
from asr.evaluation import tuning
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
    tuned = tuning.run(half_trained, toy, Search("beam", width=8), 2, CPU)
    plain = tuning.run(half_trained, toy, Search("greedy"), 0, CPU)
    assert 0 < tuned.count.total == plain.count.total
    assert tuned.count.errors <= plain.count.errors
    assert tuned.perplexity.perplexity < 8 and plain.perplexity is None


def test_a_set_that_is_not_dev_is_given_up_only_by_force(half_trained, toy, tmp_path):
    from asr.evaluation import measurement

    with pytest.raises(AsrError, match=r"test\.jsonl: is not there to choose on; .* --force"):
        tuning.run(half_trained, toy, Search("beam", width=4), 0, CPU, on="test")
    recorded = half_trained.parent / "decoder.json"
    kept = recorded.read_bytes() if recorded.exists() else None
    tuned = tuning.run(half_trained, toy, Search("beam", width=4), 0, CPU, on="test", force=True)
    with pytest.raises(AsrError, match="chosen on this very set"):
        measurement.run(half_trained, toy / "test.jsonl", tmp_path / "test", CPU, tuned.search)
    measurement.run(half_trained, toy / "test.jsonl", tmp_path / "test", CPU, tuned.search, force=True)
    assert json.loads((tmp_path / "test.json").read_text())["search"]["tuned_on_test"] is True
    recorded.write_bytes(kept) if kept else recorded.unlink()


def test_what_was_tuned_is_recorded_with_the_set_it_was_tuned_on(half_trained, toy):
    tuned = tuning.run(half_trained, toy, Search("beam", width=8), 2, CPU)
    recorded = Search.load(half_trained.parent / "decoder.json")
    assert recorded == tuned.search
    assert recorded.tuned_on == hashlib.sha256((toy / "dev.jsonl").read_bytes()).hexdigest()
    assert json.loads((half_trained.parent / "decoder.json").read_text())["language"] == "units-2.arpa.gz"


def test_a_recorded_search_gives_the_errors_it_was_chosen_for(half_trained, toy, tmp_path):
    from asr.evaluation import measurement

    tuned = tuning.run(half_trained, toy, Search("beam", width=8), 2, CPU)
    found = measurement.run(half_trained, toy / "dev.jsonl", tmp_path / "dev", CPU, tuned.search)
    assert found.count == tuned.count
    assert found.results[0].reliability.error == pytest.approx(tuned.calibration_error[1], abs=1e-4)


def test_the_beam_of_a_search_is_the_beam_with_these_settings(tmp_path):
    model = lm.estimate(["abab", "abcd", "dcba"], 2, UNITS.symbols[1:])
    lm.write(model, tmp_path / "a.arpa")
    built = build(Search("beam", 9, tmp_path / "a.arpa", weight=0.7, bonus=0.3), UNITS)
    direct = Beam(width=9, language=model.tables(UNITS.symbols), weight=0.7, bonus=0.3)
    log_probs = np.log(np.random.default_rng(1).dirichlet(np.ones(5), 30))
    assert built(log_probs) == direct(log_probs)
    assert build(Search(), UNITS)(log_probs) == Greedy()(log_probs)


@pytest.mark.parametrize(
    ("search", "message"),
    [
        (Search("bream"), r"unknown decoder 'bream': .* did you mean 'beam'\?"),
        (Search("greedy", width=3), "width is no setting of the decoder 'greedy'"),
        (Search("lexicon"), "needs a pronouncing dictionary; give --lexicon FILE"),
        (Search("beam", weight=0.5), "weight 0.5: weighs a language model, and none is given"),
        (Search("beam", width=0), "width 0: must be from 1"),
        (Search("beam", bonus=float("nan")), "bonus nan: must be finite"),
    ],
)
def test_a_search_that_makes_no_sense_is_refused(search, message):
    with pytest.raises(AsrError, match=message):
        build(search, UNITS)


@pytest.mark.parametrize("text", ["", "[]", '{"decoder": "beam"}', '{"wide": 3}'])
def test_a_damaged_record_is_named(tmp_path, text):
    (tmp_path / "decoder.json").write_text(text)
    with pytest.raises(InputError, match="decoder.json: no decoder settings"):
        Search.load(tmp_path / "decoder.json")


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
    with pytest.raises(InputError, match="cannot hold 300 units"):
        recognizer.align(utterance, ["a"] * 300)
