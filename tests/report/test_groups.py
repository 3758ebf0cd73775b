import dataclasses

import numpy as np
import pytest

from asr.report import evaluated, groups
from asr.report.evaluated import EvaluatedRun
from asr.scoring import alignment, bootstrap
from asr.scoring.alignment import ErrorCount, align
from asr.support import seeds


@pytest.fixture
def found(trained):
    return evaluated.read(trained, "test")


def titles(found, audio=None):
    return [breakdown.title for breakdown in groups.breakdowns(found, audio or {})]


def test_a_timit_set_is_divided_in_five_ways(found):
    assert titles(found) == ["phone class", "length", "dialect region", "sex", "speaker"]


def test_every_division_adds_up_to_the_result(found):
    for breakdown in groups.breakdowns(found, {}):
        total = sum((group.count for group in breakdown.groups), ErrorCount())
        assert total == alignment.total(found.alignments), breakdown.title


def test_regions_and_sexes_are_named(found):
    by = {breakdown.title: breakdown for breakdown in groups.breakdowns(found, {})}
    regions = ["DR1 New England", "DR2 Northern", "DR5 Southern", "DR8 Army Brat"]
    assert [group.name for group in by["dialect region"].groups] == regions
    assert [(group.name, group.speakers, group.utterances) for group in by["sex"].groups] == [
        ("women", 3, 12),
        ("men", 3, 12),
    ]
    assert len(by["speaker"].groups) == 6


def test_an_interval_is_scores_own(found):
    by = {breakdown.title: breakdown for breakdown in groups.breakdowns(found, {})}
    mine = {id: aligned for id, aligned in found.alignments.items() if "fabc0" in id}
    group = next(group for group in by["speaker"].groups if group.name == "fabc0")
    assert group.count == alignment.total(mine)
    assert group.interval == alignment.interval(mine, {id: id for id in mine}, seeds.generator(1, "report"))


@pytest.mark.parametrize("speakers", [6, 3, 2])
def test_speakers_are_resampled_wherever_there_are_two(speakers):
    """Two kinds of speaker, each nearly the same in every utterance: utterances would look surer than speakers."""
    rows = {
        f"{s}-{i:02}": {"speaker": f"s{s}", "alignment": align("abcd", "xycd" if s % 2 else "xbcd").pairs}
        for s in range(speakers)
        for i in range(50)
    }
    result = {"metric": "CER", "rate": 0.25, "seed": 1}

    def group(rows):
        some = EvaluatedRun("r", result, rows, [], None)
        return groups._group(some, "all", some.alignments), alignment.by_speaker(some.alignments, {}).values()

    whole, single = group(rows)
    by_utterance = bootstrap.interval([c.errors for c in single], [c.total for c in single], np.random.default_rng(1))
    assert whole.speakers == speakers
    assert whole.interval is None or np.diff(whole.interval) > 3 * np.diff(by_utterance)
    assert (whole.interval is None) == (speakers == 2)  # two who are so unlike say nothing of a third
    unknown, _ = group(rows | {"0-00": rows["0-00"] | {"speaker": ""}})
    assert unknown.speakers is None and np.diff(unknown.interval) < 1.2 * np.diff(by_utterance)


def test_the_interval_of_one_speaker_is_within_that_speaker(found):
    by = {breakdown.title: breakdown for breakdown in groups.breakdowns(found, {})}
    assert "this speaker's utterances" in by["speaker"].note
    assert all(group.speakers == 1 and group.interval for group in by["speaker"].groups)


def test_a_division_that_is_not_known_is_left_out(found):
    rows = {id.removeprefix("dr"): row | {"speaker": "anna"} for id, row in found.rows.items()}
    unknown = dataclasses.replace(found, rows=rows)
    assert titles(unknown) == ["phone class", "length"]
    characters = dataclasses.replace(unknown, result=found.result | {"metric": "CER"})
    assert titles(characters) == ["length"]


def test_a_dialect_is_found_in_the_recordings_path(found):
    rows = {f"u{place}": row for place, row in enumerate(found.rows.values())}
    audio = {id: f"/timit/TEST/DR{1 + place % 2}/FABC0/{id}.WAV" for place, id in enumerate(rows)}
    assert "dialect region" in titles(dataclasses.replace(found, rows=rows), audio)
    assert "dialect region" not in titles(dataclasses.replace(found, rows=rows), {})


def test_equal_lengths_are_one_quarter_and_no_division(found):
    row = next(iter(found.rows.values()))
    equal = dataclasses.replace(found, rows={f"u{i}": row for i in range(8)})
    assert "length" not in titles(equal)


def test_an_error_belongs_to_the_class_of_what_was_said_and_an_insertion_to_its_own(found):
    pairs = [["p", "s"], ["p", "p"], ["s", "s"], [None, "s"], ["iy", None], ["iy", "p"]]
    some = dataclasses.replace(found, rows={"one": {"speaker": "", "alignment": pairs}})
    classes = groups.breakdowns(some, {})[0].groups
    assert [(group.name, group.count) for group in classes] == [
        ("stops", ErrorCount(1, 1, 0, 0)),
        ("fricatives", ErrorCount(1, 0, 0, 1)),
        ("vowels", ErrorCount(0, 1, 1, 0)),
    ]
