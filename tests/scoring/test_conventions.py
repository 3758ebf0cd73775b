"""Contracts over the table of conventions, and what each convention means."""

import json

import numpy as np
import pytest

from asr.errors import AsrError, InputError
from asr.phones import PHONES_39, PHONES_48, PHONES_61, fold
from asr.scoring import conventions
from asr.scoring.alignment import ErrorCount
from asr.scoring.conventions import CONVENTIONS, scores
from asr.units import KINDS

SYMBOLS = {
    "phones39": PHONES_39,
    "phones48": PHONES_48,
    "phones61": PHONES_61,
    "phones": ("S", "a:", "t", "@"),
    "characters": tuple(" abcde"),
    "words": ("the", "cat", "sat", "on", "a", "mat"),
    "written": ("The", "cat", "sat,", "on", "a", "mat."),
}
ALL = [(kind, name) for kind, table in CONVENTIONS.items() for name in table]


def random_set(kind, utterances=12, seed=1):
    """References of a kind and hypotheses with some of every error."""
    generator = np.random.default_rng(seed)
    references, hypotheses = {}, {}
    for i in range(utterances):
        symbols = generator.choice(SYMBOLS[kind], generator.integers(5, 25)).tolist()
        kept = [s for s in symbols if generator.random() > 0.1]
        hypotheses[f"u{i:02}"] = [str(generator.choice(SYMBOLS[kind])) if generator.random() < 0.2 else s for s in kept]
        references[f"u{i:02}"] = symbols
    return references, hypotheses, {id: f"s{int(id[1:]) % 4}" for id in references}


def of(kind, references, hypotheses):
    found = scores(kind, references, hypotheses, {}, np.random.default_rng(0))
    return {one.name: one for one in found}


def phones(text):
    return {"a": text.split()}


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_scoring_a_set_against_itself_finds_no_error(kind, name):
    references, _, _ = random_set(kind)
    assert of(kind, references, references)[name].rate == 0


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_what_is_compared_is_compared_again_alike(kind, name):
    """A convention's map is a projection: what it returned, it leaves as it is."""
    convention = CONVENTIONS[kind][name]
    if convention.level < 61:
        once = convention(random_set(kind)[0]["u00"])
        assert convention(once) == once


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kind", ["phones39", "phones48", "phones61"])
def test_optional_silence_forgives_some_errors_and_makes_none(kind, seed):
    """At most every silence that is missed or mistaken, and those are deletions and substitutions of standard."""
    references, hypotheses, _ = random_set(kind, 60, seed)
    found = of(kind, references, hypotheses)
    forgiven = found["standard"].count.errors - found["optional silence"].count.errors
    silences = sum(a.reference.count("sil") for a in found["standard"].alignments.values())
    assert 0 < forgiven <= silences and found["optional silence"].count.total == found["standard"].count.total


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_a_result_file_says_it_whole(kind, name):
    references, hypotheses, speakers = random_set(kind)
    found = {s.name: s for s in scores(kind, references, hypotheses, speakers, np.random.default_rng(0))}[name]
    row = found.as_dict()
    assert row["name"] == name and row["title"] and row["metric"] in ("PER", "CER", "WER")
    assert row["interval"][0] < row["rate"] < row["interval"][1]
    if CONVENTIONS[kind][name].mean:
        assert "total" not in row
    else:
        assert row["total"] == row["hits"] + row["substitutions"] + row["deletions"]
        assert row["rate"] == row["errors"] / row["total"]


@pytest.mark.parametrize("kind", CONVENTIONS)
def test_the_headline_comes_first_and_titles_differ(kind):
    assert next(iter(CONVENTIONS[kind])) == "standard"
    titles = [convention.title for convention in CONVENTIONS[kind].values()]
    assert len(set(titles)) == len(titles)


def test_every_kind_of_units_can_be_scored():
    assert set(KINDS) | {"words", "written"} == set(CONVENTIONS)


def test_a_system_is_scored_as_finely_as_it_writes():
    names = {kind: set(table) for kind, table in CONVENTIONS.items()}
    assert "48 phones" not in names["phones39"] and "61 phones" not in names["phones48"]
    assert names["phones39"] < names["phones48"] < names["phones61"]
    assert {conventions.metric(kind) for kind in KINDS} == {"PER", "CER", "WER"}
    assert conventions.metric("words") == "WER"


def test_standard_is_lee_and_hons_39_with_nothing_merged():
    found = of("phones61", phones("h# sh ix q kcl tcl t h#"), phones("h# sh ih tcl t h#"))["standard"]
    assert found.count == ErrorCount(6, 0, 1, 0)  # q is no phone; kcl and tcl are two silences, ix and ih are one phone


def test_optional_silence_forgives_missed_silence_and_keeps_the_denominator():
    found = of("phones39", phones("sil a sil sil b sil".replace("a", "aa")), phones("aa b sil sil"))["optional silence"]
    assert found.count == ErrorCount(6, 0, 0, 1)


def test_merged_silence_merges_runs_on_both_sides():
    found = of("phones39", phones("sil sil b sil sil sil d"), phones("sil b sil sil d sil"))["merged silence"]
    assert found.count == ErrorCount(4, 0, 0, 1)
    assert of("phones39", phones("b b"), phones("b"))["merged silence"].count == ErrorCount(1, 0, 1, 0)


def test_61_symbols_are_scored_with_the_glottal_stop_and_without():
    found = of("phones61", phones("h# q ix h#"), phones("h# ih pau"))
    assert found["61 phones"].count == ErrorCount(1, 2, 1, 0)
    assert found["61 phones without q"].count == ErrorCount(1, 2, 0, 0)
    assert found["48 phones"].count == ErrorCount(2, 1, 0, 0)
    assert found["standard"].count == ErrorCount(3, 0, 0, 0)


def test_48_phones_keep_two_kinds_of_closure():
    found = of("phones48", phones("sil cl vcl"), phones("sil vcl vcl"))
    assert found["48 phones"].count == ErrorCount(2, 1, 0, 0) and found["standard"].count == ErrorCount(3, 0, 0, 0)


def test_the_mean_weighs_short_utterances_as_much_as_long_ones():
    references = {"a": ["x"], "b": list("xxxxxxxxx"), "empty": []}
    found = of("characters", references, {"a": ["y"], "b": list("xxxxxxxxx"), "empty": ["z"]})
    assert found["mean of utterances"].rate == 0.5  # the utterance without a reference has no rate
    assert found["standard"].count == ErrorCount(9, 1, 0, 1)


def test_a_missing_hypothesis_is_deletions_in_every_convention():
    found = of("phones61", phones("h# q ix t"), {})
    assert found["optional silence"].count == ErrorCount(1, 0, 2, 0)
    others = [one for name, one in found.items() if name != "optional silence"]
    assert all(one.rate == 1.0 for one in others)
    assert all(one.count.deletions == one.count.total for one in others if one.count)


def test_an_unknown_kind_and_an_extra_hypothesis_are_refused():
    with pytest.raises(AsrError, match="unknown kind of symbols 'phones40'"):
        of("phones40", phones("a"), {})
    with pytest.raises(InputError, match="b: has a hypothesis but no reference"):
        of("words", {"a": ["x"]}, {"b": ["x"]})


def test_folding_is_that_of_phones():
    symbols = list(PHONES_61)
    assert CONVENTIONS["phones61"]["standard"](symbols) == fold(symbols, 39)


@pytest.mark.parametrize("name", ["standard", "mean of utterances"])
def test_utterances_are_not_called_speakers_where_one_speaker_is_unknown(name):
    references, hypotheses, speakers = random_set("words")

    def scored(speakers):
        found = scores("words", references, hypotheses, speakers, np.random.default_rng(0))
        return next(one for one in found if one.name == name)

    assert scored(speakers).resampled == "speakers" and str(scored(speakers)).endswith(" by speaker")
    some = scored(speakers | {"u03": ""})
    assert some.resampled == "utterances" and str(some).endswith(" by utterance (speakers unknown)")
    assert some.interval == scored({}).interval != scored(speakers).interval


def test_a_rate_without_a_reference_is_null_in_a_file():
    found = of("words", {"a": []}, {"a": ["x"]})
    assert all(one.rate == float("inf") and one.as_dict()["rate"] is None for one in found.values())
    json.dumps([one.as_dict() for one in found.values()], allow_nan=False)
