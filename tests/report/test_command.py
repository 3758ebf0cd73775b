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


def test_report_prints_the_path_of_the_page(asr, run, data, tmp_path):
    page = tmp_path / "page.html"
    status, out, said = asr("report", run, "--data", data, "--out", page)
    assert (status, out) == (0, f"{page}\n") and said.startswith("report: ") and page.exists()


def test_a_set_that_was_not_scored_is_reported_with_the_command_to_run(asr, run, data):
    status, out, said = asr("report", run, "--data", data, "--set", "dev")
    assert (status, out) == (4, "") and said.endswith(f"run `asr evaluate {run} --set dev` first")


def test_a_result_file_as_run_or_a_path_as_set_is_reported_with_a_remedy(asr, run):
    status, _, said = asr("report", run / "test.json")
    assert (status, said) == (
        2,
        f"asr: {run}/test.json: is a result file; pass its run: `asr report {run} --set test`",
    )
    status, _, said = asr("report", run, "--set", "../test")
    assert status == 2 and said.startswith("asr: --set ../test: is a path, not the name of a set")


def test_plot_draws_a_run_or_a_recording(asr, run, data, tmp_path):
    status, out, _ = asr("plot", run, "--set", "test")
    assert status == 0 and out.splitlines() == [
        str(run / name) for name in ("curves.png", "test-confusions.png", "test-reliability.png")
    ]
    picture = tmp_path / "one.png"
    assert asr("plot", run, "--data", data, "--utterance", "dr1-fabc0-st0", "--out", picture)[:2] == (0, f"{picture}\n")
    audio = next((data / "timit-tones").glob("*.wav"))
    assert asr("plot", audio, "--bundle", run, "--out", picture)[:2] == (0, f"{picture}\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{run}", "--out", "x.png"], "--out: is for a recording or an utterance, but {run} is a run; remove it"),
        (["{run}", "--bundle", "x"], "--bundle: is for a recording, but {run} is a run; remove it"),
        (["one.wav", "--set", "dev"], "--set dev: is for a run, but one.wav is a file; remove it"),
        (["one.wav", "--utterance", "s1"], "--utterance s1: is for a run, but one.wav is a file; remove it"),
    ],
)
def test_plot_rejects_options_of_the_other_kind(asr, run, arguments, message):
    status, out, said = asr("plot", *(argument.format(run=run) for argument in arguments))
    assert (status, out, said) == (2, "", f"asr: {message.format(run=run)}")
