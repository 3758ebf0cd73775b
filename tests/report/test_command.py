import sys

import pytest

from asr.cli import main

pytest.importorskip("matplotlib", reason="the extra `plots` is not installed")


@pytest.fixture
def asr(monkeypatch, capsys):
    """Run the command line; return its status, standard output and last line of standard error."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["asr", *map(str, arguments)])
        try:
            main()
            status = 0
        except SystemExit as stop:
            status = stop.code
        out, err = capsys.readouterr()
        return status, out, (err.splitlines() or [""])[-1]

    return run


def test_report_prints_where_the_page_lies(asr, run, data, tmp_path):
    page = tmp_path / "page.html"
    status, out, said = asr("report", run, "--data", data, "--out", page)
    assert (status, out) == (0, f"{page}\n") and said.startswith("report: ") and page.exists()


def test_report_of_a_set_that_was_not_scored_says_what_to_run(asr, run, data):
    status, out, said = asr("report", run, "--data", data, "--set", "dev")
    assert (status, out) == (4, "") and said.endswith(f"run `asr evaluate {run} --set dev` first")


def test_report_of_a_result_file_or_a_path_as_a_set_says_what_to_give(asr, run):
    status, _, said = asr("report", run / "test.json")
    assert (status, said) == (
        2,
        f"asr: {run}/test.json: is a result; give its run, as in `asr report {run} --set test`",
    )
    status, _, said = asr("report", run, "--set", "../test")
    assert status == 2 and said.startswith("asr: --set ../test: is a path, not the name of a set")


def test_plot_draws_a_run_or_a_recording(asr, run, data, tmp_path):
    status, out, _ = asr("plot", run, "--set", "test")
    assert status == 0 and out.splitlines() == [
        str(run / name) for name in ("curves.png", "test-confusions.png", "test-reliability.png")
    ]
    picture = tmp_path / "one.png"
    audio = next((data / "timit-tones").glob("*.wav"))
    assert asr("plot", audio, "--bundle", run, "--out", picture)[:2] == (0, f"{picture}\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{run}", "--out", "x.png"], "--out: is for a recording, and {run} is a run; leave it out"),
        (["{run}", "--bundle", "x"], "--bundle: is for a recording, and {run} is a run; leave it out"),
        (["one.wav", "--set", "dev"], "--set dev: is for a run, and one.wav is a file; leave it out"),
    ],
)
def test_plot_refuses_what_belongs_to_the_other_kind(asr, run, arguments, message):
    status, out, said = asr("plot", *(argument.format(run=run) for argument in arguments))
    assert (status, out, said) == (2, "", f"asr: {message.format(run=run)}")
