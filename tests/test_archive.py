"""Archives: what is missing is done, by any number of processes and machines, and nothing else."""

import json
import os
import re
from pathlib import Path

import pytest
import torch

from asr import archive, audio, bundle, config
from asr.cli import main
from asr.decoders import Beam, Search
from asr.errors import AsrError, InputError
from asr.support import crew

COUNT = 12


@pytest.fixture(scope="module")
def place(toy, tmp_path_factory):
    """A folder with two systems of large random weights, so that the decoder matters."""
    folder = tmp_path_factory.mktemp("archive")
    for seed in (1, 2):
        parts = {
            "units": {"kind": "characters", "alphabet": "abcd"},
            "encoder": {"hidden": 8, "layers": 1},
            "training": {"seed": seed},
        }
        made = bundle.build(config.parse(parts, "test"))
        with torch.no_grad():
            for parameter in made.model.parameters():
                parameter.mul_(6)
        (folder / f"{seed}").mkdir()
        made.save(folder / f"{seed}" / "best.safetensors")
    (folder / "in").symlink_to(toy / "test")
    return folder


@pytest.fixture
def run(place, monkeypatch, capsys):
    """Transcribe the folder, and return the status, the output and the messages."""
    monkeypatch.chdir(place)

    def transcribe(*words, system=1, source="in"):
        words = ["transcribe", "--device", "cpu", "--bundle", f"{system}", source, *map(str, words)]
        monkeypatch.setattr("sys.argv", ["asr", *words])
        status = 0
        try:
            main()
        except SystemExit as stop:
            status = stop.code
        said = capsys.readouterr()
        return status, said.out, said.err

    return transcribe


@pytest.fixture
def two(monkeypatch):
    """Let two processes work on however little there is."""
    monkeypatch.setattr(archive, "WORTH", 1)
    monkeypatch.setattr(crew, "processors", lambda: 2)


def written(out):
    return {path.name: path.stat().st_mtime_ns for path in out.glob("[!.]*")}


def test_only_what_is_missing_is_done(run, tmp_path):
    assert run("--output-dir", tmp_path)[0] == 0
    first = written(tmp_path)
    texts = {name: (tmp_path / name).read_text() for name in first}
    (tmp_path / "03.wav.txt").unlink()
    (tmp_path / "07.wav.txt").unlink()
    status, _, said = run("--output-dir", tmp_path, "--resume")
    assert (status, said) == (0, f"{tmp_path}: 10 of 12 recordings were transcribed before\n")
    again = written(tmp_path)
    assert {name for name in first if again[name] != first[name]} == {"03.wav.txt", "07.wav.txt"}
    assert texts == {name: (tmp_path / name).read_text() for name in again}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"system": 2}, "bundle = "),
        ({"more": ["--decoder", "beam"]}, "decoder = greedy, not beam"),
        ({"more": ["--decoder", "beam", "--width", "7"]}, "decoder = greedy, not beam"),
        ({"more": ["--format", "srt"]}, "format = txt, not srt"),
        ({"source": "in/../in"}, "sources = ['in'], not ['in/../in']"),
    ],
)
def test_what_was_made_with_something_else_is_not_resumed(run, tmp_path, changed, said):
    run("--output-dir", tmp_path)
    before = written(tmp_path)
    more = changed.pop("more", [])
    for flag in (["--resume"], ["--shard", "1/2"]):
        status, _, error = run("--output-dir", tmp_path, *flag, *more, **changed)
        assert status == 2 and f"{tmp_path}: was made with {said}" in error and error.count("\n") == 1
        assert "use another --output-dir, or delete" in error
    assert written(tmp_path) == before


def test_transcripts_of_another_system_count_as_missing_once_a_new_run_has_begun(run, tmp_path, monkeypatch):
    run("--output-dir", tmp_path)
    before = written(tmp_path)

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(archive, "transcripts", interrupted)
        assert run("--output-dir", tmp_path, system=2)[0] == 130
    assert written(tmp_path) == before
    assert run("--output-dir", tmp_path, "--resume", system=2)[0] == 0
    assert all(at != before[name] for name, at in written(tmp_path).items())


def test_settings_of_the_same_decoder_are_compared(tmp_path, place):
    rows = [
        archive.made_with(place / "1/best.safetensors", Search(Beam(**own)), "txt", ["in"])
        for own in ({}, {"width": 7}, {"nbest": 2})
    ]
    archive.TranscriptFolder(tmp_path, rows[0]).begin(strict=True)
    archive.TranscriptFolder(tmp_path, rows[0]).begin(strict=True)
    for row, said in zip(rows[1:], ("width = 25, not 7", "nbest = 1, not 2"), strict=True):
        with pytest.raises(AsrError, match=said):
            archive.TranscriptFolder(tmp_path, row).begin(strict=True)


@pytest.mark.parametrize(("before", "now"), [(None, "*"), ("*", None)], ids=["added", "left out"])
def test_who_speaks_is_compared(tmp_path, place, before, now):
    rows = [
        archive.made_with(place / "1/best.safetensors", Search(Beam()), "txt", ["in"], who) for who in (before, now)
    ]
    archive.TranscriptFolder(tmp_path, rows[0]).begin(strict=True)
    with pytest.raises(AsrError, match=rf"speakers = {re.escape(str(before))}, not {re.escape(str(now))}"):
        archive.TranscriptFolder(tmp_path, rows[1]).begin(strict=True)


def test_a_record_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / archive.RECORD).write_text("[")
    with pytest.raises(
        InputError, match=r"\.asr\.json: is not a record of what transcripts were made with .*; delete it"
    ):
        archive.TranscriptFolder(tmp_path, {}).begin(strict=False)


@pytest.mark.parametrize("how", ["shard", "torchrun"])
def test_shares_neither_overlap_nor_leave_a_gap(run, tmp_path, monkeypatch, how):
    found = []
    for rank in range(5):
        before = written(tmp_path)
        if how == "shard":
            more = ["--shard", f"{rank + 1}/5"]
        else:
            more = []
            names = {"RANK": rank, "WORLD_SIZE": 5, "LOCAL_RANK": rank, "LOCAL_WORLD_SIZE": 5}
            for name, value in {"TORCHELASTIC_RUN_ID": "x", **names}.items():
                monkeypatch.setenv(name, str(value))
        assert run("--output-dir", tmp_path, "--resume", *more)[0] == 0
        now = written(tmp_path)
        assert all(now[name] == at for name, at in before.items())
        found.append(len(now) - len(before))
    assert found == [3, 3, 2, 2, 2] and len(written(tmp_path)) == COUNT


def test_shares_may_be_printed(run):
    whole = run()[1].splitlines()
    shares = [run("--shard", f"{rank}/3")[1].splitlines() for rank in (1, 2, 3)]
    assert len(whole) == COUNT and [shares[i % 3][i // 3] for i in range(COUNT)] == whole


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1/0", "1", "a/b", "-1/2", "1/2/3"])
def test_a_share_that_cannot_be_is_refused(run, shard):
    assert run(f"--shard={shard}") == (2, "", f"asr: --shard {shard}: must be I/N with I from 1 to N, such as 1/4\n")


def test_resuming_needs_a_folder_and_recordings_that_can_be_read_again(run, tmp_path):
    for words, source in (((), "in"), (("--output-dir", tmp_path), "-")):
        status, _, said = run("--resume", *words, source=source)
        assert status == 2 and said.startswith(
            "asr: --resume: needs --output-dir and recordings that can be read again"
        )


def test_two_processes_print_and_write_what_one_does(run, two, monkeypatch, tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    for path in Path("in").iterdir():
        os.link(path.resolve(), source / path.name)
    (source / "05.wav").unlink()
    (source / "05.wav").write_bytes(b"RIFF")
    several = run(source=str(source))
    assert run("--output-dir", tmp_path / "two", "--format", "json", source=str(source))[0] == 1
    monkeypatch.setattr(archive, "processes", lambda *_: 1)
    assert several == run(source=str(source))
    assert several[0] == 1 and len(several[1].splitlines()) == COUNT - 1
    assert several[2].startswith(f"asr: {source}/05.wav: ") and several[2].endswith("1 of 12 recordings failed\n")
    run("--output-dir", tmp_path / "one", "--format", "json", source=str(source))
    one, both = (
        {path.name: json.loads(path.read_text()) for path in (tmp_path / name).iterdir()} for name in ("one", "two")
    )
    assert len(one) == COUNT and {name: row | {"audio": ""} for name, row in one.items()} == {
        name: row | {"audio": ""} for name, row in both.items()
    }


def test_a_process_that_died_is_named_by_its_recording(two, monkeypatch, place):
    died = AsrError("the process that worked on it was killed")
    monkeypatch.setattr(crew, "in_order", lambda function, tasks, count: iter(["", died]))
    transcriber = archive.Transcriber(place / "1/best.safetensors", Search(), "cpu", "numpy")
    tasks = [archive.Task(str(place / "in" / name), name) for name in ("00.wav", "01.wav")]
    _, error = archive.transcripts(transcriber, tasks)
    assert isinstance(error, InputError) and str(error) == f"{place / 'in' / '01.wav'}: {died}"


def test_processes_are_started_where_they_are_worth_it(place, tmp_path, monkeypatch):
    monkeypatch.setattr(crew, "processors", lambda: 4)
    large = tmp_path / "large.wav"
    with open(large, "wb") as file:
        file.truncate(3 * archive.WORTH)
    sources = (str(tmp_path / "gone.wav"), 9), (str(large), 1), (str(large), 9), (audio.Channel(str(large), 1), 9)
    gone, few, many, channels = ([archive.Task(source, "")] * count for source, count in sources)

    def count(tasks, device="cpu", engine="numpy"):
        return archive.processes(archive.Transcriber(place / "1", Search(), device, engine), tasks)

    assert [count(tasks) for tasks in (gone, few, many, many[:2], channels, [])] == [1, 1, 4, 2, 4, 1]
    assert count(many, device="cuda:0") == count(many, engine="torch") == 1
