"""What versions 0.1.0 and 0.2.0 wrote is read: runs, checkpoints, bundles, results, and what tuning recorded."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from asr.cli import cli
from asr.evaluation import records

GOLDEN = Path(__file__).parent / "golden"
RUNS = {"0.1.0": ("toy", "fbank"), "0.2.0": ("toy", "fbank", "stack")}


@pytest.fixture(params=list(RUNS))
def version(request):
    return request.param


@pytest.fixture
def old(tmp_path, toy, monkeypatch, version):
    """A copy of the old runs beside the corpus on which they were made."""
    shutil.copytree(GOLDEN / version, tmp_path, dirs_exist_ok=True)
    shutil.copytree(toy, tmp_path / "data" / "toy")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def asr(*arguments):
    done = CliRunner().invoke(cli, list(map(str, arguments)), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done


def counts(path):
    row = json.loads(path.read_text())
    return {key: row[key] for key in records.COUNTS}


def test_an_old_run_scores_as_it_did(old, version):
    for run in RUNS[version]:
        before = counts(old / run / "test.json")
        asr("evaluate", run, "--set", "test")
        assert counts(old / run / "test.json") == before


def test_what_was_tuned_is_still_used(old, version):
    asr("evaluate", "toy", "--set", "test")
    search = json.loads((old / "toy" / "test.json").read_text())["search"]
    before = json.loads((GOLDEN / version / "toy" / "test.json").read_text())["search"]
    assert (search["decoder"], search["width"], search["tuned_on"]) == ("beam", 10, before["tuned_on"])


def test_a_run_that_was_stopped_is_resumed(old):
    done = asr("train", "toy.toml", "--out", "half", "--device", "cpu")
    assert "resuming at epoch 3, step " in done.stderr and "warning" not in done.stderr.split("resuming")[0]
    assert len((old / "half" / "epochs.jsonl").read_text().splitlines()) == 16


def test_old_results_are_reported_and_compared_with_new_ones(old):
    asr("report", "toy", "--set", "test")
    asr("compare", "toy", "fbank", "--set", "test")
    asr("doctor", "toy")


def test_an_old_finished_run_is_recognized_as_finished(old):
    done = asr("train", "toy.toml", "--out", "toy", "--device", "cpu")
    assert "already trained" in done.stderr


def test_an_old_bundle_transcribes_aligns_and_is_exported(old, version):
    """To the text of the result that its own version wrote."""
    for run in RUNS[version]:
        rows = [json.loads(line) for line in (old / run / "test.utterances.jsonl").read_text().splitlines()]
        said = asr("transcribe", "--bundle", run, "--device", "cpu", "--json", "data/toy/test.jsonl").stdout
        found = [[unit["unit"] for unit in json.loads(line)["units"]] for line in said.splitlines()]
        assert found == [[symbol for symbol, *_ in row["units"]] for row in sorted(rows, key=lambda row: row["id"])]
        asr("align", "--bundle", run, "--device", "cpu", "data/toy/test/00.wav", "ab")
    asr("summary", "toy")
