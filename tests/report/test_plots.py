import json
import sys

import numpy as np
import pytest
import soundfile
from result_files import EMPTY

from asr import report
from asr.errors import AsrError, InputError
from asr.report import plots, recording

pytest.importorskip("matplotlib", reason="the extra `plots` is not installed")

PNG = b"\x89PNG"


def test_curves_are_drawn_from_the_epochs(tmp_path):
    rows = [{"epoch": i, "loss": 1 / i, "learning_rate": 0.01, "dev": {"rate": 0.5 / i}} for i in (1, 2, 3)]
    (tmp_path / "epochs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert report.curves(tmp_path) == tmp_path / "curves.png"
    assert (tmp_path / "curves.png").read_bytes().startswith(PNG)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["curves.png", "epochs.jsonl"]


def test_an_epoch_without_a_dev_score_is_a_gap_in_its_curve(tmp_path):
    rows = [{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.0, "learning_rate": 0.01, "dev": {"rate": 0.5}}]
    (tmp_path / "epochs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert report.curves(tmp_path).read_bytes().startswith(PNG)
    (tmp_path / "epochs.jsonl").write_text(json.dumps(rows[0]))
    assert report.curves(tmp_path).read_bytes().startswith(PNG)


def test_a_folder_without_epochs_is_named(tmp_path):
    with pytest.raises(InputError, match=r"epochs\.jsonl: no such file, or it is empty; train first"):
        report.curves(tmp_path)


def test_reliability_is_drawn_where_there_are_confidences(tmp_path):
    path = tmp_path / "dev.v1.json"
    row = EMPTY | {"set": "dev", "calibration_error": 0.1}
    path.write_text(json.dumps(row))
    assert report.reliability(path) is None
    bins = {"counts": [0, 3], "confidence": [0.0, 0.9], "right": [0.0, 1.0]}
    path.write_text(json.dumps(row | {"reliability": bins}))
    assert report.reliability(path).read_bytes().startswith(PNG)
    assert report.reliability(path).name == "dev.v1-reliability.png"


def test_a_result_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "test.json").write_text("{}")
    with pytest.raises(InputError, match=r"test\.json: not a result file"):
        report.reliability(tmp_path / "test.json")


def test_a_run_is_drawn_as_its_curves_confusions_and_reliability(run):
    names = ["curves.png", "test-confusions.png", "test-reliability.png"]
    assert [path.name for path in plots.run(run)] == names
    assert all((run / name).read_bytes().startswith(PNG) for name in names)


def test_a_folder_with_nothing_to_draw_is_named(tmp_path):
    with pytest.raises(InputError, match="holds neither epochs nor results"):
        plots.run(tmp_path)


def test_a_recording_is_drawn_and_higher_with_a_systems_posteriors(trained, data, tmp_path):
    from PIL import Image

    audio = next((data / "timit-tones").glob("*.wav"))
    sizes = []
    for name, system in (("without", None), ("with", trained / "best.safetensors")):
        with Image.open(recording.draw(audio, tmp_path / f"{name}.png", system)) as image:
            sizes.append(image.size)
    assert sizes[0][0] == sizes[1][0] and sizes[1][1] == pytest.approx(sizes[0][1] * 4 / 3, abs=2)


@pytest.mark.parametrize(
    ("largest", "rows"),
    [([0.05, 0.03, 0.04, 0.03], {0, 2}), ([0.01, 0.9, 0.1, 0.02], {0, 1, 2}), ([0.9, 0.0, 0.0, 0.0], {0, 1})],
    ids=["barely trained", "trained", "all blank"],
)
def test_blank_and_the_most_probable_unit_always_have_a_row(largest, rows):
    assert set(recording._rows(("<blank>", "a", "b", "c"), np.array(largest))) == rows


def test_a_recording_shorter_than_a_window_is_named(tmp_path):
    soundfile.write(tmp_path / "short.wav", np.zeros(100), 16000)
    with pytest.raises(InputError, match=r"short\.wav: 100 samples .* are shorter than one window"):
        recording.draw(tmp_path / "short.wav", tmp_path / "short.png")


def test_without_matplotlib_the_command_says_what_to_install(run, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    for draw in (lambda: plots.run(run), lambda: recording.draw(tmp_path / "one.wav", tmp_path / "one.png")):
        with pytest.raises(AsrError, match=r'need matplotlib; `pip install "asr\[plots\]"`'):
            draw()
