"""What options mean together with what tuning recorded."""

import pytest

from asr.cli import options
from asr.decoders import Beam, Search
from asr.errors import AsrError
from asr.evaluation import provenance, results
from asr.scoring.calibration import Calibration
from asr.support import files


@pytest.fixture
def tuned(tmp_path):
    """A bundle's file, a manifest, and settings chosen on it and recorded beside the bundle."""
    system, data = tmp_path / "best.safetensors", tmp_path / "small.jsonl"
    system.write_bytes(b"a system")
    data.write_text("{}\n")
    calibration = Calibration(0.5, 0.1)
    search = Search(Beam(), calibration, tuned_on=files.sha256(data), tuned_for=files.sha256(system))
    search.save(tmp_path / "decoder.json")
    return system, data, search


def test_what_tuning_recorded_stands_where_nothing_is_given(tuned):
    system, _, search = tuned
    assert options.search(system, {"bonus": None, "width": None}) == search


@pytest.mark.parametrize("given", [{"bonus": 0.0}, {"weight": 0.0}, {"bonus": 0.0, "decoder": "beam"}, {"bonus": 2.0}])
def test_a_weight_given_by_hand_does_not_wash_off_the_set_that_was_tuned_on(tuned, given):
    system, data, search = tuned
    found = options.search(system, given)
    assert found.calibration == search.calibration and found.tuned_on == search.tuned_on
    with pytest.raises(AsrError, match="were tuned on this set"):
        provenance.refuse_tuned(found, data, force=False)
    row = provenance.searched(found, data)
    assert row["tuned_on"] and row["tuned_on_test"] is True and row["by_hand"] is True
    assert results.remark(row, "small") == "tuned on small itself: not a test; settings chosen by hand"


def test_another_decoder_takes_nothing_from_the_recorded_one(tuned):
    system, _, _ = tuned
    assert options.search(system, {"decoder": "greedy"}) == Search()
