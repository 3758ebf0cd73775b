from collections import Counter
from pathlib import Path

import pytest

from asr.corpora.protocol import Expected, deviations, settle, shared_speakers, tokens
from asr.errors import InputError
from asr.manifest import Segment, Utterance


def utterance(id, symbols="h# k q aa h#"):
    phones = tuple(Segment(symbol, i / 10, (i + 1) / 10) for i, symbol in enumerate(symbols.split()))
    return Utterance(id, Path("x.wav"), 1.0, id.split("-")[0], phones=phones)


SETS = {"train": [utterance("anna-1"), utterance("anna-2"), utterance("bert-1"), utterance("bert-2")]}
PROTOCOL = {"train": Expected(4, 2, 16, frozenset({"anna", "bert"}))}


def test_a_correct_corpus_has_no_deviations():
    assert deviations(SETS, PROTOCOL) == []


@pytest.mark.parametrize(
    ("expected", "sentence"),
    [
        (Expected(6, 2), "train: 4 utterances (not 6)"),
        (Expected(4, 3), "train: 2 speakers (not 3)"),
        (Expected(4, 2, 15), "train: 16 39-phone tokens (not 15)"),
        (Expected(6, 3, names=frozenset({"anna", "bert", "carl"})), "train: no speaker carl"),
        (Expected(2, 1, names=frozenset({"anna"})), "train: unknown speaker bert"),
        (Expected(6, 2), "train: utterances 2 of 3 of anna (1 2), 2 of 3 of bert (1 2)"),
    ],
)
def test_each_deviation_is_one_sentence(expected, sentence):
    assert sentence in deviations(SETS, {"train": expected})


def test_unreadable_utterances_are_not_reported_as_missing():
    unreadable = Counter({"carl": 2, "anna": 1})
    expected = {"train": Expected(9, 3, names=frozenset({"anna", "bert", "carl"}))}
    assert deviations(SETS, expected, unreadable) == [
        "train: 4 utterances (not 9), 2 speakers (not 3)",
        "train: utterances 2 of 3 of bert (1 2)",
    ]


def test_a_speaker_in_two_sets_is_reported():
    sets = {"train": [utterance("anna-1"), utterance("bert-1")], "dev": [utterance("anna-2")], "test": []}
    assert shared_speakers(sets) == ["speaker anna is in train and dev"]
    assert "speaker anna is in train and dev" in deviations(sets, {"train": Expected(2, 2)})


def test_utterances_without_a_speaker_share_none():
    nameless = Utterance("u1", Path("x.wav"), 1.0)
    assert shared_speakers({"train": [nameless], "dev": [nameless]}) == []


def test_timit_phones_are_counted_folded_and_other_symbols_unchanged():
    assert tokens([utterance("a-1", "h# kcl k q aa h#")]) == 5
    assert tokens([utterance("a-1", "q ɑː k")]) == 3
    assert tokens([]) == 0


def test_problems_are_an_error_and_with_partial_warnings(capsys):
    settle(Path("timit"), [], partial=False)
    with pytest.raises(InputError, match=r"^timit: 2 problems: one; two; fix them, or accept them with --partial .*$"):
        settle(Path("timit"), ["one", "two"], partial=False)
    assert capsys.readouterr().err == ""
    settle(Path("timit"), ["one", "two"], partial=True)
    assert capsys.readouterr().err == "warning: timit: one\nwarning: timit: two\n"
