"""Recurrent language models: probabilities, the network in torch, samples, files, and what the beam search does."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from click.testing import CliRunner

from asr import config, lm
from asr.cells import CELLS
from asr.cli.language_model import language_model
from asr.decoders import Beam, Lexicon
from asr.decoders.beam import BeamSearch, Rescorer
from asr.errors import AsrError, BundleError, InputError
from asr.lm import recurrent
from asr.lm.recurrent import LanguageSettings, Recurrent
from asr.training import next_symbol
from asr.training.next_symbol import resolved, side_by_side
from asr.units import Units

SYMBOLS = ("</s>", "a", "b", "c")
SENTENCES = [(), (1,), (1, 2, 1), (1, 2, 3, 3, 2), (3,)]
TEXT = [list("abc"), list("ab"), list("abcabc"), list("c")] * 5


def made(cell="lstm", **encoder):
    """Return an untrained model and its network in torch."""
    settings = config.overridden(LanguageSettings(), [f"encoder.{k}={v}" for k, v in encoder.items()])
    settings = resolved(replace(settings, encoder=replace(settings.encoder, cell=cell, hidden=8)))
    model = next_symbol._model(settings, len(SYMBOLS)).eval()
    generator = torch.Generator().manual_seed(1)
    for value in model.state_dict().values():
        value.copy_(torch.randn(value.shape, generator=generator))
    weights = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    return Recurrent(SYMBOLS, settings, weights), model


@pytest.mark.parametrize("cell", CELLS)
def test_every_cell_scores_sentences_as_the_network_in_torch(cell):
    ours, model = made(cell, layers=2)
    batch = side_by_side(SENTENCES, np.arange(len(SENTENCES)), len(SYMBOLS))
    log_probs = model(batch.features, batch.lengths)[0]
    wanted = [
        -F.nll_loss(own[:count], target[:count], reduction="sum").item()
        for own, target, count in zip(log_probs, batch.targets, batch.lengths, strict=True)
    ]
    np.testing.assert_allclose(ours.totals(SENTENCES), wanted, rtol=1e-4, atol=1e-4)
    losses = next_symbol.loss(log_probs, batch.lengths, batch.targets, batch.lengths, batch.ids)
    np.testing.assert_allclose(losses.detach().numpy(), -np.array(wanted), rtol=1e-5, atol=1e-5)


def test_a_sentences_score_does_not_depend_on_the_others():
    ours, _ = made(norm="true")
    alone = [ours.totals([sentence])[0] for sentence in SENTENCES]
    np.testing.assert_allclose(ours.totals(SENTENCES), alone, atol=1e-5)
    np.testing.assert_allclose(ours.totals(SENTENCES[::-1])[::-1], alone, atol=1e-5)
    assert ours.totals([]).shape == (0,)


def test_the_probabilities_of_all_sentences_sum_to_one():
    """All sentences up to a length, and all longer ones by how they begin."""
    ours, _ = made()
    ended = [one for length in range(4) for one in product((1, 2, 3), repeat=length)]
    prefixes = list(product((1, 2, 3), repeat=4))
    going = 0.0
    for prefix in prefixes:  # p(prefix) is the product of its symbols' probabilities, a step each
        states, total = ours.network.begin(), 0.0
        for before, symbol in zip((0, *prefix), prefix, strict=False):
            total += ours.network.carry(ours.one_hot(np.array([before])), states)[0, symbol]
        going += np.exp(total)
    assert np.exp(ours.totals(ended)).sum() + going == pytest.approx(1, abs=1e-5)


def test_training_learns_and_writes_the_best_epoch(tmp_path):
    settings = config.overridden(LanguageSettings(), ["encoder.hidden=16", "training.epochs=12", "training.batch=2"])
    lines = []
    best = next_symbol.train(TEXT, TEXT[:4], None, settings, tmp_path / "a.safetensors", lines.append)
    assert best.symbols == ("</s>", "<unk>", "a", "b", "c")
    assert len(lines) == 12
    assert lm.perplexity(best, TEXT[:4]).perplexity < 3.5  # uniform: 5
    read = lm.read(tmp_path / "a.safetensors")
    assert read.symbols == best.symbols and read.settings == best.settings and read.facts == best.facts
    np.testing.assert_array_equal(read.totals([(2, 3)]), best.totals([(2, 3)]))
    again = next_symbol.train(TEXT, TEXT[:4], None, settings, tmp_path / "b.safetensors", lines.append)
    assert all((again.weights[name] == value).all() for name, value in best.weights.items())


def test_samples_follow_from_their_seed_and_their_temperature():
    ours, _ = made()
    draw = [ours.sample(np.random.default_rng(seed), temperature=2.0, longest=30) for seed in (1, 1, 2, 3)]
    assert draw[0] == draw[1]
    assert draw[1:] != [draw[0]] * 3
    cold = [ours.sample(np.random.default_rng(seed), temperature=1e-2, longest=30) for seed in (1, 2)]
    assert cold[0] == cold[1]  # the most probable symbol, always
    unknown = replace(ours, symbols=("</s>", "<unk>", "b", "c"))
    assert all(1 not in unknown.sample(np.random.default_rng(seed), longest=30) for seed in range(5))


@pytest.fixture
def file(tmp_path):
    ours, _ = made()
    ours.save(tmp_path / "lm.safetensors")
    return tmp_path / "lm.safetensors"


def test_the_final_beam_is_rescored(file):
    g = np.random.default_rng(5)
    log_probs = np.log(g.dirichlet(np.ones(4), 6))
    model, weight, bonus = recurrent.read(file), 0.7, 0.4
    plain = BeamSearch(width=5000, nbest=5000, bonus=bonus)(log_probs)
    wanted = sorted(((h.score + weight * model.totals([h.ids])[0], h.ids) for h in plain), reverse=True)
    units = Units.of("characters", "abc")
    for settings in (
        Beam(width=5000, nbest=5000, rescore=file, rescore_weight=weight, bonus=bonus),
        Beam(width=5000, nbest=5000, lm=file, weight=weight, bonus=bonus),
    ):
        decoder = settings.build(units)
        found = decoder(log_probs)
        assert [h.ids for h in found[:20]] == [ids for _, ids in wanted[:20]]
        for h in found[:20]:
            assert h.score == pytest.approx(h.acoustic + bonus * len(h.ids) + weight * h.rescoring, abs=1e-5)
        assert decoder.labelling(log_probs).ids == found[0].ids


def test_the_readings_of_a_lexicon_are_rescored_by_their_words(file, tmp_path):
    (tmp_path / "words.txt").write_text("a  x y\nb  y\nc  x\n", encoding="utf-8")
    log_probs = np.log(np.random.default_rng(5).dirichlet(np.ones(3), 6))
    model, weight, units = recurrent.read(file), 0.7, Units.of("phones", symbols="x y")
    settings = {"lexicon": tmp_path / "words.txt", "width": 5000, "nbest": 5000, "bonus": 0.4}
    plain = Lexicon(**settings).build(units)(log_probs)
    words = [[model.symbols.index(word) for word in h.words] for h in plain]
    wanted = sorted(((h.score + weight * model.totals([w])[0], h.words) for h, w in zip(plain, words, strict=True)))
    found = Lexicon(**settings, lm=file, weight=weight).build(units)(log_probs)
    assert len(found) == len(plain) > 20
    assert [h.words for h in found[:20]] == [said for _, said in wanted[::-1][:20]] != [h.words for h in plain[:20]]
    for h in found:
        assert h.rescoring == pytest.approx(
            model.totals([[model.symbols.index(word) for word in h.words]])[0], abs=1e-5
        )


def test_a_search_asks_the_rescorer_about_labellings_without_blank():
    asked = []

    def totals(labellings):
        asked.extend(tuple(one) for one in labellings)
        return np.zeros(len(labellings))

    log_probs = np.log(np.random.default_rng(1).dirichlet(np.ones(3), 4))
    found = BeamSearch(width=50, nbest=50, rescorer=Rescorer(totals, 1.0))(log_probs)
    assert set(asked) == {tuple(id - 1 for id in h.ids) for h in found}


def test_what_cannot_be_used_is_said_in_one_line(file, tmp_path):
    from asr import bundle

    parts = {"units": {"kind": "characters", "alphabet": "ab"}, "encoder": {"hidden": 4, "layers": 1}}
    bundle.build(config.parse(parts, "test")).save(tmp_path / "system.safetensors")
    with pytest.raises(BundleError, match="is not an 'asr language model 1' file"):
        recurrent.read(tmp_path / "system.safetensors")
    with pytest.raises(AsrError, match="lacks 'd' and has no <unk>"):
        Beam(rescore=file).build(Units.of("characters", "abcd"))
    with pytest.raises(InputError, match="contains none of the 2 units"):
        Beam(rescore=file).build(Units.of("characters", "xy"))
    with pytest.raises(InputError, match="a recurrent language model can only rescore; pass it as --rescore, and an"):
        Beam(lm=file, rescore=file).build(Units.of("characters", "abc"))
    with pytest.raises(AsrError, match="has no effect without rescore"):
        Beam(rescore_weight=0.5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("encoder.direction=both", "would see the symbol that it predicts"),
        ("training.noise=0.5", "means nothing to a language model"),
        ("encoder.cell=lstn", "unknown cell 'lstn'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(change, message):
    with pytest.raises(AsrError, match=message):
        resolved(config.overridden(LanguageSettings(), [change]))


def test_the_commands_train_score_and_sample(tmp_path):
    (tmp_path / "empty").touch()
    (tmp_path / "text").write_text("a b c\nb c\na <space> a\n" * 10)
    out = tmp_path / "lm.safetensors"
    words = ["train", str(tmp_path / "text"), str(out), "--set", "encoder.hidden=8", "--set", "training.epochs=1"]
    done = CliRunner().invoke(language_model, words, catch_exceptions=False)
    assert done.stdout == f"{out}\n"
    assert "held-out perplexity" in done.stderr
    assert "3-grams" in done.stderr
    scored = CliRunner().invoke(language_model, ["score", str(out), str(tmp_path / "text")], catch_exceptions=False)
    assert "110 tokens, 0 unknown" in scored.stdout
    drawn = CliRunner().invoke(language_model, ["sample", str(out), "--count", "3"], catch_exceptions=False)
    assert len(drawn.stdout.splitlines()) == 3
    for wrong, message in (
        (["sample", "a.arpa"], "is not a recurrent model"),
        (["train", str(tmp_path / "text"), "a.arpa", "--set", "encoder.hidden=8"], "n-gram models have no such"),
        (["score", str(out), str(tmp_path / "empty")], "empty: no sentences to score"),
    ):
        with pytest.raises(AsrError, match=message):
            CliRunner().invoke(language_model, wrong, catch_exceptions=False)
