import json

import numpy as np
import pytest
from result_files import EMPTY
from scipy import stats

from asr.errors import InputError
from asr.evaluation import comparison
from asr.scoring import alignment
from asr.scoring.alignment import Alignment, ErrorCount, align


def pairs(text):
    """`a a b:x -:y c:-` → hits, a substitution, an insertion, a deletion."""
    found = [tuple(cell.split(":")) if ":" in cell else (cell, cell) for cell in text.split()]
    return Alignment(tuple((r if r != "-" else None, h if h != "-" else None) for r, h in found))


@pytest.mark.parametrize(
    ("one", "other", "segments"),
    [
        ("a b c d e", "a b c d e", []),
        ("a:x b c d e", "a b c d e", [(1, 0)]),
        ("a:x b c d:x e", "a b c d e", [(1, 0), (1, 0)]),  # two right in a row part them
        ("a:x b c:x d e", "a b c d e", [(2, 0)]),  # one does not
        ("a:x b c d e", "a b c:- d e", [(1, 1)]),  # nor where the other system errs
        ("a:x b -:y c d:x e f", "a b c d e f", [(3, 0)]),  # an insertion between the two starts the count again
        ("a b c d e -:y", "a b c d e", [(1, 0)]),  # what follows the last symbol counts
        ("a b c d e", "-:x -:y a b c d e:-", [(0, 2), (0, 1)]),
        ("-:x", "-:x -:y", [(1, 2)]),
        ("", "", []),
    ],
)
def test_segments_end_where_both_have_two_symbols_right(one, other, segments):
    assert comparison.segments(pairs(one), pairs(other)) == segments
    assert comparison.segments(pairs(other), pairs(one)) == [(b, a) for a, b in segments]


def spoken(generator, wrong, utterances=96, speakers=12):
    """Utterances of 40 symbols by a few speakers, and what a system that errs in a share of them made of them."""
    references = {f"u{i:03}": generator.integers(0, 5, 40).astype(str).tolist() for i in range(utterances)}
    said = {id: [s if generator.random() > wrong else "x" for s in symbols] for id, symbols in references.items()}
    names = {id: f"s{i % speakers}" for i, id in enumerate(references)}
    return {id: align(references[id], said[id]) for id in references}, names


def again(alignments, generator, wrong):
    """Another system on the same references."""
    return {
        id: align(a.reference, [s if generator.random() > wrong else "y" for s in a.reference])
        for id, a in alignments.items()
    }


def test_mapsswe_is_the_paired_test_of_the_segments():
    generator = np.random.default_rng(1)
    one, _ = spoken(generator, 0.1)
    other = again(one, generator, 0.12)
    apart = [a - b for id in sorted(one) for a, b in comparison.segments(one[id], other[id])]
    expected = stats.ttest_1samp(apart, 0)
    found = comparison.mapsswe(one, other)
    assert found.segments == len(apart) and found.z == pytest.approx(expected.statistic)
    assert found.p == pytest.approx(2 * stats.norm.sf(abs(expected.statistic)))
    assert sum(apart) == sum(a.count.errors for a in one.values()) - sum(a.count.errors for a in other.values())


def test_the_better_of_two_is_found_and_equals_are_called_equal():
    generator = np.random.default_rng(2)
    one, speakers = spoken(generator, 0.1)
    worse, same = again(one, generator, 0.2), again(one, generator, 0.1)
    assert comparison.of("test", "PER", one, worse, speakers).verdict == "one"
    assert comparison.of("test", "PER", worse, one, speakers).verdict == "other"
    assert comparison.of("test", "PER", one, same, speakers).verdict == comparison.NO_DIFFERENCE
    assert comparison.of("test", "PER", one, one, speakers).verdict == comparison.NO_DIFFERENCE


def test_a_difference_is_called_one_only_where_both_tests_find_it():
    """Three speakers of twelve are much worse: the segments are many, the speakers who agree are not."""
    generator = np.random.default_rng(3)
    one, speakers = spoken(generator, 0.1)
    worse = again(one, generator, 0.6)
    other = {id: worse[id] if speakers[id] in ("s0", "s1", "s2") else one[id] for id in one}
    found = comparison.of("test", "PER", one, other, speakers)
    assert found.mapsswe.p < 0.001 and found.p > 0.05 and found.verdict == comparison.NO_DIFFERENCE


def test_one_speaker_gives_no_interval_and_no_verdict():
    generator = np.random.default_rng(4)
    one, speakers = spoken(generator, 0.1)
    found = comparison.of("test", "PER", one, again(one, generator, 0.3), dict.fromkeys(speakers, "only"))
    assert found.interval is None and found.verdict == comparison.NO_DIFFERENCE
    assert "too few speakers" in str(found)


def test_why_there_is_no_interval_is_said():
    right, wrong = pairs("a b c"), pairs("a:x b c")
    speakers = {f"u{i}": f"s{i}" for i in range(9)}
    one, other = dict.fromkeys(speakers, right), dict.fromkeys(speakers, wrong)
    assert "no interval: no variation between speakers" in str(comparison.of("test", "PER", one, other, speakers))
    assert "no interval: no speakers differ" in str(comparison.of("test", "PER", one, one, speakers))
    assert "no interval: no variation between utterances" in str(comparison.of("test", "PER", one, other, {}))


def test_a_difference_is_by_utterance_where_a_speaker_is_unknown():
    generator = np.random.default_rng(4)
    one, speakers = spoken(generator, 0.1)
    other = again(one, generator, 0.3)
    assert " by speaker, " in str(comparison.of("test", "PER", one, other, speakers))
    found = comparison.of("test", "PER", one, other, speakers | {"u003": ""})
    assert found.resampled == "utterances" and " by utterance (speakers unknown), " in str(found)


def test_what_changed_most_comes_first():
    one = {"a": pairs("a b c"), "b": pairs("a:x b c"), "c": pairs("a:x b:x c")}
    other = {"a": pairs("a:x b:x c:x"), "b": pairs("a:x b c"), "c": pairs("a b:x c")}
    found = comparison.of("test", "PER", one, other, {"a": "s", "b": "s", "c": "t"})
    assert [(u.id, u.one, u.other, u.total) for u in found.changed] == [("a", 0, 3, 3), ("c", 2, 1, 3)]
    assert found.one == ErrorCount(6, 3, 0, 0) and found.difference == pytest.approx(-2 / 9)


def test_segments_that_do_not_scatter_state_nothing_as_in_sc_stats():
    one = {f"u{i}": pairs("a b c d") for i in range(9)}
    other = {f"u{i}": pairs("a:x b c d") for i in range(9)}
    assert comparison.mapsswe(one, other) == comparison.Mapsswe(9, -1, 0, 0, 1)


def write(folder, alignments, speakers, **changed):
    folder.mkdir()
    row = EMPTY | {"errors": alignment.total(alignments).errors, "utterances": len(alignments)}
    row |= changed
    (folder / "test.json").write_text(json.dumps(row))
    lines = [{"id": id, "speaker": speakers[id], "alignment": a.pairs, "units": []} for id, a in alignments.items()]
    (folder / "test.utterances.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder / "test.json"


def test_results_are_compared_from_their_files(tmp_path):
    generator = np.random.default_rng(5)
    one, speakers = spoken(generator, 0.1)
    other = again(one, generator, 0.2)
    found = comparison.run(write(tmp_path / "one", one, speakers), write(tmp_path / "two", other, speakers))
    assert found == comparison.of("test", "PER", one, other, speakers)
    row = json.loads(json.dumps(found.as_dict()))
    assert row["verdict"] == "one" and row["p"] == found.p and row["mapsswe"]["segments"] == found.mapsswe.segments
    assert row["one"]["errors"] == found.one.errors and len(row["changed"]) == len(found.changed)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"manifest_sha256": "c" * 64}, "measured on different sets"),
        ({"metric": "CER", "conventions": [EMPTY["conventions"][0] | {"metric": "CER"}]}, "metrics are PER and CER"),
        (
            {"conventions": None},
            r"two.test\.json: not a result file, .*'conventions' is missing",
        ),
    ],
)
def test_results_that_cannot_be_compared_are_refused(tmp_path, changed, message):
    one, speakers = spoken(np.random.default_rng(6), 0.1, utterances=4)
    paths = write(tmp_path / "one", one, speakers), write(tmp_path / "two", one, speakers, **changed)
    with pytest.raises(InputError, match=message):
        comparison.run(*paths)


def test_a_missing_companion_and_another_reference_are_named(tmp_path):
    one, speakers = spoken(np.random.default_rng(7), 0.1, utterances=4)
    paths = write(tmp_path / "one", one, speakers), write(tmp_path / "two", dict(list(one.items())[1:]), speakers)
    with pytest.raises(InputError, match="u000: references differ between the two results"):
        comparison.run(*paths)
    (tmp_path / "two" / "test.utterances.jsonl").unlink()
    with pytest.raises(InputError, match=r"test\.utterances\.jsonl: cannot be read"):
        comparison.run(*paths)
