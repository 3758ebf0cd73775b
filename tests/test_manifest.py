import json
import os
import shutil
import tracemalloc
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from asr import manifest
from asr.errors import AsrError, InputError
from asr.manifest import Segment, Utterance


@pytest.fixture(autouse=True, scope="module", params=["kept", "view"])
def size(request):
    """All of this is true of small manifests and of large ones, which stay in their files."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest, "KEPT", manifest.KEPT if request.param == "kept" else 0)
        yield


def utterance(id="u1", audio=Path("u1.wav"), seconds=1.5):
    phones = (Segment("h#", 0.0, 0.5), Segment("aa", 0.5, 1.5))
    return Utterance(id, audio, seconds, "anna", "ah é", phones, (Segment("ah", 0.5, 1.5),))


def written(path, *lines):
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


GOOD = {"id": "u1", "audio": "u1.wav", "seconds": 1.5}


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "train.jsonl"
    manifest.write(path, [utterance("b", tmp_path / "b.wav"), utterance("a", tmp_path / "a.wav")])
    assert list(manifest.read(path)) == [utterance("a", tmp_path / "a.wav"), utterance("b", tmp_path / "b.wav")]


def test_lines_are_sorted_by_id_and_readable_for_people(tmp_path):
    path = tmp_path / "train.jsonl"
    manifest.write(path, [utterance("b", tmp_path / "b.wav"), utterance("a", tmp_path / "a.wav")])
    first, second = path.read_text(encoding="utf-8").splitlines()
    assert first.startswith('{"id": "a", "audio": "a.wav", "seconds": 1.5, "speaker": "anna", "text": "ah é", "phones"')
    assert json.loads(second)["phones"] == [["h#", 0.0, 0.5], ["aa", 0.5, 1.5]]


@settings(max_examples=25, deadline=None)  # it writes files
@given(
    id=st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1),
    seconds=st.floats(1e-6, 1e6),
    text=st.text(),
)
@example(id="u1", seconds=1.0, text="one\u2028two\x85three\x0bfour")
def test_any_text_survives(id, seconds, text):
    with TemporaryDirectory() as folder:
        path = Path(folder, "set.jsonl")
        manifest.write(path, [Utterance(id, path.with_name("a.wav"), seconds, "", text)])
        (read,) = manifest.read(path)
    assert (read.id, read.text, read.seconds) == (id, text, pytest.approx(seconds, abs=1e-6))


def test_a_folder_may_move_with_its_manifest(tmp_path, monkeypatch):
    audio = tmp_path / "here" / "audio" / "u1.wav"
    audio.parent.mkdir(parents=True)
    audio.touch()
    manifest.write(tmp_path / "here" / "sets" / "train.jsonl", [utterance("u1", audio)])
    shutil.move(tmp_path / "here", tmp_path / "there")
    monkeypatch.chdir("/")
    (read,) = manifest.read(tmp_path / "there" / "sets" / "train.jsonl")
    assert read.audio.is_file()


def test_a_relative_audio_path_is_one_from_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("u1.wav").touch()
    manifest.write(Path("sets/train.jsonl"), [utterance()])
    assert json.loads(Path("sets/train.jsonl").read_text())["audio"] == "../u1.wav"
    assert manifest.read(Path("sets/train.jsonl"))[0].audio.is_file()


def test_what_is_left_out_is_empty(tmp_path):
    (read,) = manifest.read(written(tmp_path / "m.jsonl", json.dumps(GOOD)))
    assert read == Utterance("u1", tmp_path / "u1.wav", 1.5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": None}, "not an utterance .*id is None, not a string"),
        ({"id": ""}, "not an utterance .*id is '', not a string"),
        ({"audio": 3}, "not an utterance .*audio is 3, not a string"),
        ({"speaker": 3}, "not an utterance .*speaker is 3, not a string"),
        ({"seconds": "long"}, "not an utterance .*'long'"),
        ({"seconds": 0}, "u1.: 0.0 seconds long; must be above 0"),
        ({"seconds": -1}, "u1.: -1.0 seconds long"),
        ({"seconds": float("nan")}, "u1.: nan seconds long"),
        ({"seconds": float("inf")}, "u1.: inf seconds long"),
        ({"phones": [["aa", 0]]}, "not an utterance .*not enough values"),
        ({"phones": [["aa", 0, "end"]]}, "not an utterance .*'end'"),
        ({"words": 7}, "not an utterance"),
        ({"words": [[7, 0, 1]]}, "not an utterance .*the symbol 7 is not a string"),
        ({"phones": [["aa", 1, 0]]}, "not an utterance .*'aa' from 1.0 to 0.0 s ends before it begins"),
        ({"seconds": 10**400}, "not an utterance .*too large"),
        ({"speed": 10**400}, "not an utterance .*too large"),
        ({"words": [["a", 0, 10**400]]}, "not an utterance .*too large"),
        ({"id": "a\0b"}, r"not an utterance .*id 'a\\x00b' contains a character that cannot be written"),
        ({"audio": "a\0b"}, r"not an utterance .*audio 'a\\x00b' contains a character"),
        ({"text": "\ud800"}, r"not an utterance .*text '\\ud800' contains a character that cannot be written"),
        ({"phones": [["\udfff", 0, 1]]}, r"not an utterance .*the symbol '\\udfff' contains a character"),
    ],
)
def test_a_bad_line_is_named_with_its_number_and_value(tmp_path, change, message):
    path = written(tmp_path / "m.jsonl", json.dumps(GOOD), json.dumps(GOOD | {"id": "u2"}), json.dumps(GOOD | change))
    with pytest.raises(InputError, match=rf"m\.jsonl:3.*{message}"):
        manifest.read(path)


@pytest.mark.parametrize("key", ["id", "audio", "seconds"])
def test_a_line_that_lacks_something_says_what(tmp_path, key):
    row = {name: value for name, value in GOOD.items() if name != key}
    with pytest.raises(InputError, match=rf"m\.jsonl:1: not an utterance \('{key}' is missing\); needs id, audio"):
        manifest.read(written(tmp_path / "m.jsonl", json.dumps(row)))


@pytest.mark.parametrize("line", ["", "[1, 2]", "{'id': 1}", "7", '"u1"', "null"])
def test_what_is_no_object_is_named(tmp_path, line):
    with pytest.raises(InputError, match=r"m\.jsonl:1: not an utterance"):
        manifest.read(written(tmp_path / "m.jsonl", line))


def test_a_duplicate_id_is_refused(tmp_path):
    path = written(tmp_path / "m.jsonl", json.dumps(GOOD), json.dumps(GOOD))
    with pytest.raises(InputError, match=r"m\.jsonl:2: duplicate id 'u1'; ids must be unique"):
        manifest.read(path)


def test_an_empty_or_missing_manifest_is_named(tmp_path):
    with pytest.raises(InputError, match=r"empty\.jsonl: contains no utterances; prepare the corpus again"):
        manifest.read(written(tmp_path / "empty.jsonl"))
    with pytest.raises(InputError, match=r"nowhere\.jsonl: cannot be read as a manifest"):
        manifest.read(tmp_path / "nowhere.jsonl")
    (tmp_path / "latin.jsonl").write_bytes(b'{"id": "\xe9"}\n')
    with pytest.raises(InputError, match=r"latin\.jsonl: cannot be read as a manifest"):
        manifest.read(tmp_path / "latin.jsonl")


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(AsrError, match="cannot be written"):
        manifest.write(tmp_path / "file" / "train.jsonl", [utterance()])


def test_a_speed_is_kept_and_one_that_makes_no_sense_refused(tmp_path):
    path = tmp_path / "train.jsonl"
    manifest.write(path, [Utterance("a", tmp_path / "a.wav", 1.0, speed=0.9), Utterance("b", tmp_path / "b.wav", 1.0)])
    assert [u.speed for u in manifest.read(path)] == [0.9, 1.0]
    assert "speed" not in path.read_text().splitlines()[1]
    path.write_text('{"id": "a", "audio": "a.wav", "seconds": 1, "speed": 0}\n')
    with pytest.raises(InputError, match=r"train.jsonl:1 \(a\): speed 0.0; must be at least 0.1 and at most 10"):
        manifest.read(path)


def test_a_segment_keeps_its_start(tmp_path):
    segment = Utterance("u1", tmp_path / "long.wav", 1.5, "anna", "ah", start=0.0)
    manifest.write(tmp_path / "m.jsonl", [segment])
    assert list(manifest.read(tmp_path / "m.jsonl")) == [segment]


@pytest.mark.parametrize("start", [-1, "NaN", "Infinity"])
def test_a_segment_that_starts_nowhere_is_refused(tmp_path, start):
    with pytest.raises(InputError, match="starts at .* s; must be at least 0"):
        manifest.read(written(tmp_path / "m.jsonl", json.dumps(GOOD)[:-1] + f', "start": {start}}}'))


@pytest.mark.parametrize(
    "change", [{"id": "a\0"}, {"text": "\ud800"}, {"speaker": "\udc80"}, {"words": (Segment("\udfff", 0.0, 1.0),)}]
)
def test_what_could_not_be_read_back_is_not_written(tmp_path, change):
    bad = Utterance(**{"id": "u1", "audio": tmp_path / "a.wav", "seconds": 1.0} | change)
    with pytest.raises(InputError, match=r"m\.jsonl \(.*contains a character that cannot be written; rename it"):
        manifest.write(tmp_path / "m.jsonl", [bad])
    assert not (tmp_path / "m.jsonl").exists()


@pytest.mark.parametrize("content", ["\ufeff{}\n", "{}", "{}\r\n", "{}\n\n", "{}\n  \r\n\n"])
def test_a_byte_order_mark_and_blank_last_lines_are_not_content(tmp_path, content):
    (tmp_path / "m.jsonl").write_text(content.replace("{}", json.dumps(GOOD)), encoding="utf-8")
    assert list(manifest.read(str(tmp_path / "m.jsonl"))) == [Utterance("u1", tmp_path / "u1.wav", 1.5)]


def test_a_blank_line_between_others_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"m\.jsonl:2: not an utterance"):
        manifest.read(written(tmp_path / "m.jsonl", json.dumps(GOOD), "", json.dumps(GOOD | {"id": "u2"})))


def test_a_manifest_in_a_folder_whose_name_is_not_utf_8_is_read(tmp_path):
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    folder.mkdir()
    manifest.write(folder / "m.jsonl", [Utterance("u1", folder / "u1.wav", 1.5)])
    assert manifest.read(folder / "m.jsonl")[0].audio == folder / "u1.wav"


def test_lines_in_any_order_are_sorted_and_a_later_duplicate_is_named(tmp_path):
    rows = [json.dumps(GOOD | {"id": id, "text": id * 2}) for id in ("c", "a", "b")]
    found = manifest.read(written(tmp_path / "m.jsonl", *rows))
    assert [(one.id, one.text) for one in found] == [("a", "aa"), ("b", "bb"), ("c", "cc")]
    assert [one.id for one in found[1:]] == ["b", "c"] and found[-1].id == "c"
    with pytest.raises(InputError, match=r"m\.jsonl:4: duplicate id 'a'"):
        manifest.read(written(tmp_path / "m.jsonl", *rows, rows[1]))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_and_line_ends_of_windows_change_nothing(tmp_path, encoding):
    rows = [json.dumps(GOOD | {"id": id, "text": "é" * 5000}, ensure_ascii=False) for id in ("a", "b")]
    (tmp_path / "m.jsonl").write_bytes("\r\n".join([*rows, "", ""]).encode(encoding))
    assert [(one.id, len(one.text)) for one in manifest.read(tmp_path / "m.jsonl")] == [("a", 5000), ("b", 5000)]


def test_a_byte_that_is_no_text_is_named_wherever_it_is(tmp_path):
    line = json.dumps(GOOD).encode()
    (tmp_path / "m.jsonl").write_bytes(line + b"\n" + line[:3] + b"\xff" + line[3:])
    with pytest.raises(InputError, match=rf"\(byte {len(line) + 4}, 0xff, is not UTF-8\); `asr prepare` writes"):
        manifest.read(tmp_path / "m.jsonl")


def test_a_view_notices_that_its_file_was_changed_but_not_that_it_was_replaced(tmp_path, monkeypatch):
    monkeypatch.setattr(manifest, "KEPT", 0)
    path = written(tmp_path / "m.jsonl", json.dumps(GOOD))
    found = manifest.read(path)
    manifest.write(path, [utterance("other", tmp_path / "a.wav")])
    assert found[0].id == "u1"
    found = manifest.read(path)
    written(path, json.dumps(GOOD))
    with pytest.raises(InputError, match=r"m\.jsonl: was changed while in use; run the command again"):
        found[0]


def test_a_view_takes_eight_bytes_an_utterance(tmp_path, monkeypatch):
    monkeypatch.setattr(manifest, "KEPT", 0)
    rows = (json.dumps(GOOD | {"id": f"{i:06}", "text": "x" * 200}) for i in range(2000))
    path = written(tmp_path / "m.jsonl", *rows)
    tracemalloc.start()
    try:
        found = manifest.read(path)
        taken = tracemalloc.get_traced_memory()[0] / len(found)
    finally:
        tracemalloc.stop()
    assert found[1234].id == "001234" and taken < 16
