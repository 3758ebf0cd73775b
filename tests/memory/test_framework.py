"""Trials are stored one by one and run once; tables and page show them beside the published figures."""

import json
import re
from dataclasses import replace
from html import unescape

import pytest
import scipy.stats
from click.testing import CliRunner

from asr.cli import cli
from asr.errors import AsrError
from asr.memory import EXPERIMENTS, intervals, longlag, overview, trials
from asr.memory.experiment import Case, Experiment, TableRow, Trial

RUN = []  # the trials that ran


def run(settings, seed):
    RUN.append((settings["width"], seed))
    return {"wide": settings["width"] * seed}


def summary(found):
    wide = sum(trial.observed["wide"] > 5 for trial in found)
    return [TableRow("width 3", f"{len(found)} < 5 | 6", "all", wide, len(found), "as published")] if found else []


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    """A table with one experiment of three cases, of which one is in the full form only."""
    RUN.clear()
    cases = (Case("width 3", {"width": 3}, "all", 2, 4), Case("w = 30", {"width": 30}, "none", 0, 2))
    draw = lambda axes, found: axes.plot([trial.seed for trial in found])  # noqa: E731
    entry = Experiment("Width", "Wide is wide.", "Nobody, 1999.", cases, run, summary, draw)
    for name in list(EXPERIMENTS):
        monkeypatch.delitem(EXPERIMENTS, name)
    monkeypatch.setitem(EXPERIMENTS, "width", entry)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0})  # in this process, which knows the toy
    return entry


def memory(*words):
    done = CliRunner().invoke(cli, ["memory", *map(str, words)], catch_exceptions=False)
    assert done.exit_code == 0
    return done


def test_what_is_stored_is_not_run_again(tmp_path):
    memory("--out", tmp_path)
    assert RUN == [(3, 1), (3, 2)]
    memory("--full", "--out", tmp_path)
    assert RUN[2:] == [(3, 3), (3, 4), (30, 1), (30, 2)]
    (tmp_path / "width" / "w-30-seed2.json").unlink()
    RUN.clear()
    memory("width", "--full", "--out", tmp_path)
    assert RUN == [(30, 2)]


def test_a_trial_of_other_settings_is_run_again(tmp_path, toy, monkeypatch):
    memory("--out", tmp_path, "--seeds", 1)
    changed = (replace(toy.cases[0], settings={"width": 4}),)
    monkeypatch.setitem(EXPERIMENTS, "width", replace(toy, cases=changed))
    assert trials.collected(tmp_path, "width") == []
    memory("--out", tmp_path, "--seeds", 1)
    assert RUN == [(3, 1), (4, 1)]
    (trial,) = trials.collected(tmp_path, "width")
    assert trial.observed == {"wide": 4}


def test_the_table_stands_beside_the_published_figures(tmp_path):
    done = memory("--out", tmp_path)
    assert "| width 3 | all | 2 < 5 \\| 6 | 1 of 2 [9–91 %] | as published | 0.0 s |" in done.stdout
    assert "| w = 30 | none | not run |  |  |  |" in done.stdout
    stored = json.loads((tmp_path / "memory.json").read_text())
    assert stored["experiments"]["width"]["trials"][1]["observed"] == {"wide": 6}
    assert overview.markdown(stored) == done.stdout == (tmp_path / "memory.md").read_text()


def test_the_page_is_one_file_with_the_pictures(tmp_path):
    memory("--out", tmp_path)
    html = unescape((tmp_path / "memory.html").read_text())
    assert "<td>2 < 5 | 6</td>" in html
    assert re.search(r'<img src="data:image/png;base64,iVBORw0KGgo', html)
    assert "default-src 'none'" in html
    assert not re.search(r'(?:src|href)="(?!data:|#)', html)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["with"], "unknown experiment 'with': choose from width; did you mean 'width'"),
        (["--seeds", "0"], "--seeds 0: at least one"),
    ],
)
def test_a_wrong_command_is_refused(words, message, tmp_path):
    with pytest.raises(AsrError, match=re.escape(message)):
        CliRunner().invoke(cli, ["memory", *words, "--out", str(tmp_path)], catch_exceptions=False)


def test_a_damaged_trial_is_named(tmp_path):
    memory("--out", tmp_path)
    (tmp_path / "width" / "width-3-seed1.json").write_text('{"seed": 1}')
    with pytest.raises(AsrError, match=r"width-3-seed1\.json: is not a trial \(KeyError: 'settings'\); delete it"):
        trials.collected(tmp_path, "width")


@pytest.mark.parametrize(
    ("ours", "theirs", "fewer"),
    [((0, 1), (10, 10), False), ((0, 10), (10, 10), True), ((6, 10), (20, 20), True), ((0, 10), None, False)],
)
def test_one_failure_is_no_claim(ours, theirs, fewer):
    assert intervals.fewer(ours, theirs) == fewer


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ([None], "1 of 1 failed within 90 sequences"),
        ([None] * 5, "does not reproduce: 5 of 5 failed within 90 sequences"),
        ([50, None], "too few successes to compare speed; 1 of 2 failed within 90 sequences"),
    ],
)
def test_that_it_does_not_reproduce_is_said_when_intervals_are_apart(counts, said):
    case = Case("some", {"budget": 90}, "40", solved=(10, 10))
    found = [Trial(case, 1 + n, {"sequences": count}, 1.0) for n, count in enumerate(counts)]
    (row,) = longlag.sequences_to_success(found, {"some": 40.0})
    assert row.remark == said


def test_figures_in_docs_are_of_few_digits():
    (trial,) = overview.rounded([Trial(Case("some", {}), 1, {"all": [0.123456, 7], "name": "T"}, 1.0)])
    assert trial.observed == {"all": [0.1235, 7], "name": "T"}


@pytest.mark.parametrize(("successes", "count"), [(0, 10), (1, 3), (7, 10), (10, 10)])
def test_wilsons_interval_is_scipys(successes, count):
    expected = scipy.stats.binomtest(successes, count).proportion_ci(method="wilson")
    assert intervals.wilson(successes, count) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_the_interval_of_a_mean_is_scipys():
    values = [3.0, 4.5, 9.0, 2.0]
    expected = scipy.stats.ttest_1samp(values, 0).confidence_interval()
    assert intervals.mean(values) == pytest.approx((4.625, expected.low, expected.high))
