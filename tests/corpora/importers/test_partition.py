import random
from pathlib import Path

import pytest

from asr import manifest
from asr.corpora.importers import Tree
from asr.corpora.importers.partition import partition
from asr.errors import AsrError
from asr.manifest import Utterance


@pytest.fixture
def tree(tmp_path, record):
    record(tmp_path / "held" / "h.wav")
    return Tree(tmp_path)


def spoken(speakers, each=10, sets=("",)):
    return [
        (Utterance(f"{who}-{i}", Path(f"{who}-{i}.wav"), 1.0, who, "text"), sets[i % len(sets)])
        for who in speakers
        for i in range(each)
    ]


def people(parts):
    return {name: sorted({u.speaker for u in utterances}) for name, utterances in parts.sets.items()}


def sizes(parts):
    return {name: len(utterances) for name, utterances in parts.sets.items()}


@pytest.mark.parametrize("count", [5, 6, 10, 40])
def test_nobody_is_in_two_sets(tree, count):
    parts = partition(spoken([f"s{i}" for i in range(count)]), {}, tree)
    held = people(parts)
    assert sum(map(len, held.values())) == count
    assert len(held["train"]) >= 3
    assert len(held["dev"]) == len(held["test"]) == max(1, count // 10)
    assert parts.how.startswith("by speaker: ")


def test_the_order_of_files_does_not_matter(tree):
    found = spoken([f"s{i}" for i in range(9)])
    mixed = random.Random(1).sample(found, len(found))
    assert partition(found, {}, tree).sets == partition(mixed, {}, tree).sets
    assert any(partition(found, {}, tree).sets != partition(found, {}, tree, seed=seed).sets for seed in range(1, 5))


@pytest.mark.parametrize("speakers", ["abc", "abcd"])
def test_of_three_or_four_speakers_one_is_kept_for_the_test(tree, speakers):
    parts = partition(spoken(speakers), {}, tree)
    assert len(people(parts)["test"]) == 1 and sizes(parts)["test"] == 10
    assert people(parts)["dev"] == people(parts)["train"] and len(people(parts)["train"]) == len(speakers) - 1
    assert "dev shares its speakers with train" in parts.warnings[0]


@pytest.mark.parametrize("speakers", [["a"], ["a", "b"], [""], ["a", "b", "c", "d", ""]])
def test_with_fewer_speakers_sets_are_by_utterance_and_it_is_said(tree, speakers):
    parts = partition(spoken(speakers, 60 // len(speakers)), {}, tree)
    assert sizes(parts) == {"train": 48, "dev": 6, "test": 6}
    assert "error rates do not generalize to new speakers" in parts.warnings[0]


def test_one_speaker_who_has_nearly_everything_is_not_held_out(tree):
    found = spoken("a", 100) + spoken("bcdef", 4)
    assert all("a" in people(partition(found, {}, tree, seed))["train"] for seed in range(20))


def test_sets_that_are_given_are_kept_and_missing_ones_are_taken_from_train(tree):
    given = partition(spoken("abcdef", sets=("train", "dev", "test")), {}, tree)
    assert sizes(given) == {"train": 24, "dev": 18, "test": 18}
    part = partition(spoken("abcdef", sets=("train",)) + spoken("xy", sets=("test",)), {}, tree)
    assert people(part)["test"] == ["x", "y"] and len(people(part)["dev"]) == 1
    alone = partition(spoken("abcdef", sets=("test",)), {}, tree)  # a folder that happens to be called test
    assert len(people(alone)["train"]) == 4


def test_speakers_may_be_named(tree, tmp_path):
    (tmp_path / "who.txt").write_text("c\nd\n")
    parts = partition(spoken("abcdef"), {"dev": "a,b", "test": str(tmp_path / "who.txt")}, tree)
    assert people(parts) == {"train": ["e", "f"], "dev": ["a", "b"], "test": ["c", "d"]}
    with pytest.raises(AsrError, match=r"--dev a,z: unknown speaker 'z': choose from a, b"):
        partition(spoken("ab"), {"dev": "a,z"}, tree)
    with pytest.raises(AsrError, match="no speaker is known; use a fraction"):
        partition(spoken([""]), {"dev": "anna"}, tree)


@pytest.mark.parametrize("share", ["0.3", "30%"])
def test_a_share_may_be_named(tree, share):
    assert len(people(partition(spoken("abcdefghij"), {"test": share}, tree))["test"]) == 3


@pytest.mark.parametrize("share", ["0", "1.5", "200%", "-1", "nan"])
def test_a_share_is_between_nothing_and_all(tree, share):
    with pytest.raises(AsrError, match="is not a fraction; for example 0.1 or 10%"):
        partition(spoken("abcd"), {"test": share}, tree)


def test_a_folder_or_a_manifest_may_be_named(tree, tmp_path):
    held = Utterance("h", tmp_path / "held" / "h.wav", 0.4, "a", "text")
    found = [*spoken("abcdef"), (held, "")]
    assert partition(found, {"test": "held"}, tree).sets["test"] == [held]
    manifest.write(tmp_path / "held.jsonl", [held])
    by_manifest = partition(found, {"dev": str(tmp_path / "held.jsonl")}, tree)
    assert by_manifest.sets["dev"] == [held]
    assert held not in by_manifest.sets["train"] + by_manifest.sets["test"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(AsrError, match="--test empty: contains no recording of"):
        partition(found, {"test": "empty"}, tree)
