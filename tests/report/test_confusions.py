import json

import pytest

from asr.phones import CLASSES, PHONES_39
from asr.report import confusions, evaluated
from asr.scoring.alignment import Alignment, ErrorCount, align


def test_the_classes_contain_each_of_the_39_phones_once():
    assert sorted(phone for members in CLASSES.values() for phone in members) == list(PHONES_39)


def test_phones_are_sorted_by_class_and_other_symbols_follow():
    assert confusions.order(["é", "sil", "iy", "b", "p", "s", "a"]) == ["p", "b", "s", "iy", "sil", "a", "é"]


def test_the_matrix_adds_up_to_the_result(trained):
    found = evaluated.read(trained, "test")
    matrix = confusions.count(found.alignments.values())
    size = len(matrix.symbols)
    inner = matrix.counts[:size, :size]
    assert inner.trace() == found.result["hits"] > 0
    assert inner.sum() - inner.trace() == found.result["substitutions"]
    assert matrix.counts[:size, size].sum() == found.result["deletions"] > 0
    assert matrix.counts[size].sum() == found.result["insertions"]
    assert matrix.counts[:size].sum() == found.result["total"]


def test_the_symbols_errors_add_up_to_the_result(trained):
    found = evaluated.read(trained, "test")
    symbols = confusions.count(found.alignments.values()).by_symbol()
    total = sum((symbol.count for symbol in symbols), ErrorCount())
    expected = {key: found.result[key] for key in ("hits", "substitutions", "deletions", "insertions")}
    assert vars(total) == expected


def test_errors_are_counted_by_symbol():
    pairs = (("p", "p"), ("p", "b"), ("p", "b"), ("p", "k"), ("p", None), (None, "p"), ("b", "b"))
    matrix = confusions.count([Alignment(pairs)])
    assert matrix.symbols == ("p", "b", "k")
    p = matrix.by_symbol()[0]
    assert p.count == ErrorCount(1, 3, 1, 1)
    assert [(cell.hypothesis, cell.count, cell.share) for cell in p.recognized_as] == [
        ("b", 2, 0.4),
        ("k", 1, 0.2),
        (None, 1, 0.2),
    ]
    assert matrix.errors()[0] == confusions.Confusion("p", "b", 2, 0.4)


@pytest.mark.parametrize(
    ("reference", "hypothesis", "kind", "said"),
    [
        (["p"], ["b"], "s", "p recognized as b: 1, 100.0 % of its row"),
        (["p"], [], "d", "p deleted: 1, 100.0 % of its row"),
        ([], ["b"], "i", "b was inserted: 1, 100.0 % of all insertions"),
        ([" "], ["b"], "s", "␣ recognized as b: 1, 100.0 % of its row"),
        ([" "], [], "d", "␣ deleted: 1, 100.0 % of its row"),
    ],
)
def test_each_cell_is_described_in_words(reference, hypothesis, kind, said):
    error = confusions.count([align(reference, hypothesis)]).errors()[0]
    assert (error.kind, error.description) == (kind, said)


def test_an_empty_set_has_no_confusions():
    assert confusions.count([Alignment(())]).errors() == []


def test_results_read_what_evaluation_wrote(trained):
    found = evaluated.read(trained, "test")
    rows = [json.loads(line) for line in (trained / "test.utterances.jsonl").read_text().splitlines()]
    assert list(found.rows) == [row["id"] for row in rows]
    assert found.alignments[rows[0]["id"]].count.hits == rows[0]["hits"]
    assert found.symbols == "phones" and found.run == "tones"
