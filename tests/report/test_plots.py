import json

import pytest

from asr import report
from asr.errors import InputError

pytest.importorskip("matplotlib", reason="the extra `plots` is not installed")

PNG = b"\x89PNG"


def test_curves_are_drawn_from_the_epochs(tmp_path):
    rows = [{"epoch": i, "loss": 1 / i, "learning_rate": 0.01, "dev": {"rate": 0.5 / i}} for i in (1, 2, 3)]
    (tmp_path / "epochs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert report.curves(tmp_path) == tmp_path / "curves.png"
    assert (tmp_path / "curves.png").read_bytes().startswith(PNG)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["curves.png", "epochs.jsonl"]


def test_a_folder_without_epochs_is_named(tmp_path):
    with pytest.raises(InputError, match=r"epochs\.jsonl: no such file, or it is empty; train first"):
        report.curves(tmp_path)


def test_reliability_is_drawn_where_there_are_confidences(tmp_path):
    path = tmp_path / "dev.v1.json"
    row = {"set": "dev", "metric": "PER", "calibration_error": 0.1}
    path.write_text(json.dumps(row))
    assert report.reliability(path) is None
    bins = {"counts": [0, 3], "confidence": [0.0, 0.9], "right": [0.0, 1.0]}
    path.write_text(json.dumps(row | {"reliability": bins}))
    assert report.reliability(path).read_bytes().startswith(PNG)
    assert report.reliability(path).name == "dev.v1-reliability.png"
