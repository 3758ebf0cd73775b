"""Which recordings the arguments name, and where their output goes; what any output stream can take."""

import io
import json
import os
import sys
from pathlib import Path

import pytest

from asr.cli import output
from asr.cli.inputs import _place, _unlike, recordings
from asr.errors import AsrError
from asr.formats import FORMATS, Transcript, key
from asr.manifest import Segment
from asr.scoring import trn
from asr.support import files


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_output_names_are_unlike_each_other_and_those_that_were_there():
    names = ["a/x.wav", "b/x.wav", "2-x.wav", "1-x.wav", "x.wav", "x.wav"]
    found = _unlike([Path(name).name for name in names])
    assert len(set(found)) == 6 and found[2:4] == ["2-x.wav", "1-x.wav"]


@pytest.mark.parametrize(("id", "place"), [(".", "_"), ("/", "_"), ("/../up", "up"), ("a/b", "a/b"), ("..", "_")])
def test_an_id_is_a_path_below_the_output_folder(id, place):
    assert _place(id) == Path(place)


def test_equal_names_in_several_folders_are_told_apart_by_their_folders(tmp_path):
    touch(tmp_path, "d/SX1.wav", "e/SX1.wav", "e/rec (1).wav")
    found, failed = recordings((str(tmp_path),))
    assert failed == 0
    assert {one.id for one in found} == {"d-SX1", "e-SX1", "rec__1_"}


def test_a_folder_search_follows_links_and_says_what_it_skips(tmp_path, capsys):
    touch(
        tmp_path, "top/a.wav", "top/b.aifc", "top/c.snd", "top/d.M4A", "top/._a.wav", "top/__MACOSX/x.wav", "real/k.wav"
    )
    (tmp_path / "top" / "link").symlink_to("../real")
    (tmp_path / "top" / "loop").symlink_to(".")
    found, failed = recordings((str(tmp_path / "top"),))
    assert [str(one.below) for one in found] == ["a.wav", "b.aifc", "c.snd", "link/k.wav"] and failed == 0
    hidden, unreadable = capsys.readouterr().err.splitlines()
    assert hidden == f"{tmp_path / 'top'}: skipped 2 hidden files (._a.wav, __MACOSX/x.wav)"
    assert unreadable == f"{tmp_path / 'top'}: skipped 1 files that libsndfile cannot read; convert them (d.M4A)"


def test_an_argument_that_names_nothing_does_not_end_the_others(tmp_path, capsys):
    touch(tmp_path, "a.wav", "empty/no.txt")
    found, failed = recordings((str(tmp_path / "empty"), str(tmp_path / "no.jsonl"), str(tmp_path / "a.wav")))
    assert [one.below.name for one in found] == ["a.wav"] and failed == 2
    assert len(capsys.readouterr().err.splitlines()) == 2


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "ascii"])
def test_any_character_can_be_written_to_any_stream(monkeypatch, encoding):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
    output.accept_any_character()
    output.result("caf\udce9 1–2 ±3 \U0001f600")
    written = raw.getvalue()
    assert written.startswith(b"caf\xe9 1")
    if encoding == "ascii":
        assert written == b"caf\xe9 1-2 +/-3 \\ud83d\\ude00\n"


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("audio", ["rec (1).wav", "caf\udce9.wav", "a\tb\n.wav", "@.wav", ";;.wav", "x*.wav"])
def test_ids_are_read_back_whatever_the_file_is_called(tmp_path, name, audio):
    for said in ((), (Segment("sh", 0.0, 1.0),), (Segment(" ", 0.0, 1.0),)):
        written = Transcript(audio, 1.0, "".join(s.symbol for s in said), said).to(name)
        files.write_text(tmp_path / "out", written)
        if name == "trn":
            assert list(trn.read(tmp_path / "out").values()) == [written.split()[:-1]]
        if name == "ctm":
            assert all(len(line.split()) == 5 for line in written.splitlines())
        if name in ("json", "jsonl"):
            assert json.loads((tmp_path / "out").read_text())["audio"] == audio
        if name == "TextGrid":
            assert "size = 1\n" in written


def test_a_manifests_own_id_is_what_scorers_read():
    assert Transcript("SI2287.wav", 1.0, "sh", id="dr1-fana1-si2287").to("trn") == "sh (dr1-fana1-si2287)\n"
    assert key("plain-id_1.x") == "plain-id_1.x"


def test_a_name_of_255_bytes_is_written_and_a_longer_one_refused_in_one_line(tmp_path):
    files.write_text(tmp_path / ("п" * 125 + ".json"), "x")
    with pytest.raises(AsrError, match=r"cannot be written \(File name too long\)"):
        files.write_text(tmp_path / ("п" * 150), "x")
    assert len(os.listdir(tmp_path)) == 1
