import pytest

from asr.corpora import importers
from asr.corpora.importers import IMPORTERS, Tree
from asr.corpora.importers.folder import Wishes, look


def described(imported):
    return {
        name: [(u.id, u.audio.stem, round(u.seconds, 3), u.speaker, u.text, u.start) for u in utterances]
        for name, utterances in imported.sets.items()
    }


def test_every_importer_is_tested(formats):
    assert {format.importer for format in formats.values()} == set(IMPORTERS)


def test_the_same_recordings_give_the_same_manifests(mine, form, tiny):
    form.write(mine)
    imported = look(mine, Wishes(pattern=form.pattern))
    wanted = {(said.stem, said.stem, round(said.seconds, 3), said.speaker, said.text, None) for said in tiny}
    sets = described(imported)
    assert set(sum(sets.values(), [])) == wanted
    assert {name: {row[3] for row in rows} for name, rows in sets.items()} == {
        "train": {"anna", "ben", "cleo"},
        "dev": {"anna", "cleo"},
        "test": {"dan"},
    }
    assert imported.format == form.importer
    assert imported.rate == 8000
    assert imported.vocabulary.settings == {"kind": "words", "symbols": "no yes"}
    assert f"('{imported.format}')" in imported.notes[0]


def test_a_format_can_be_forced(mine, form, tiny):
    form.write(mine)
    forced = look(mine, Wishes(format=form.importer, pattern=form.pattern))
    assert len(sum(described(forced).values(), [])) == len(tiny)


def test_a_folder_with_two_kinds_of_transcripts_says_how_to_choose(mine, formats):
    formats["same-named .txt"].write(mine)
    formats["Kaldi"].write(mine)
    imported = look(mine, Wishes())
    assert imported.format == "kaldi"
    assert any("could also be read as a transcript of the same name for each recording; --format pairs does so" in n
               for n in imported.notes)  # fmt: skip


# Traps of single formats.


def test_common_voice_with_sets_takes_these_and_not_the_lists_of_all(mine, formats, write):
    formats["Common Voice"].write(mine)
    header, *rows = (mine / "validated.tsv").read_text().splitlines()
    for name, speakers in {"train": ("anna", "ben"), "dev": ("cleo",), "test": ("dan",)}.items():
        write(mine / f"{name}.tsv", header, *(row for row in rows if row.split("\t")[0] in speakers))
    imported = look(mine, Wishes())
    assert {name: {u.speaker for u in us} for name, us in imported.sets.items()} == {
        "train": {"anna", "ben"},
        "dev": {"cleo"},
        "test": {"dan"},
    }
    assert "sets: as the folder names them" in " ".join(imported.notes)


def test_quotes_in_a_tsv_are_text(tmp_path, write, fill, read):
    fill(tmp_path, *"abc")
    write(tmp_path / "list.tsv", "path\tsentence", 'a.wav\t"hi', 'b.wav\tsaid "he', "c.wav\tyou")
    assert [u.text for u in read(tmp_path)[0]] == ['"hi', 'said "he', "you"]


def test_a_column_without_a_name_is_nothing(tmp_path, write, fill, read):
    """As pandas writes a table's index."""
    fill(tmp_path, *"abc")
    write(tmp_path / "list.csv", ",path,sentence", "0,a.wav,on", "1,b.wav,off", "2,c.wav,on")
    found, _ = read(tmp_path)
    assert [(u.id, u.text, u.speaker, u.start) for u in found] == [
        ("a", "on", "", None),
        ("b", "off", "", None),
        ("c", "on", "", None),
    ]
    write(tmp_path / "list.csv", ",path,sentence", "x,a.wav,on", "y,b.wav,off", "z,c.wav,on")
    assert read(tmp_path)[0] == found


def test_what_is_missing_is_named_in_one_line(tmp_path, write_json, fill, read):
    fill(tmp_path, *"abc")
    rows = [{"audio_filepath": name, "text": "on"} for name in ("a.wav", "b.wav", "c.wav", "d\ne.wav")]
    write_json(tmp_path / "manifest.json", *rows)
    assert r"without their recording: 1 (d\ne.wav); skipped" in "\n".join(read(tmp_path)[1].warnings)


def test_nemo_offsets_are_segments_of_one_recording(tmp_path, record, write_json, read):
    record(tmp_path / "long.wav", 3)
    rows = [{"audio_filepath": "long.wav", "offset": i, "duration": 0.5, "text": f"part {i}"} for i in range(3)]
    write_json(tmp_path / "manifest.json", *rows)
    found, _ = read(tmp_path)
    assert [(u.id, u.start, u.seconds) for u in found] == [
        ("long-0000000-0000500", 0.0, 0.5),
        ("long-0001000-0001500", 1.0, 0.5),
        ("long-0002000-0002500", 2.0, 0.5),
    ]
    assert len(found[1].samples()[0]) == 4000


def test_kaldi_segments_may_end_with_the_recording(tmp_path, record, write, read):
    record(tmp_path / "rec.wav", 2)
    write(tmp_path / "wav.scp", "r rec.wav")
    write(tmp_path / "segments", "s-1 r 0.0 0.5", "s-2 r 0.6 1.0", "s-3 r 1.5 -1")
    write(tmp_path / "text", "s-1 one", "s-2 two", "s-3 three")
    write(tmp_path / "utt2spk", "s-1 s", "s-2 s", "s-3 s")
    assert [(u.id, u.text, u.start, round(u.seconds, 3)) for u in read(tmp_path)[0]] == [
        ("s-1", "one", 0.0, 0.5),
        ("s-2", "two", 0.6, 0.4),
        ("s-3", "three", 1.5, 0.5),
    ]


def test_long_recordings_are_cut_by_labels_subtitles_and_tiers(tmp_path, record, write, read):
    for name in ("a", "b", "c"):
        record(tmp_path / f"{name}.wav", 3)
    write(tmp_path / "a.txt", "0.5\t1.0\thello", "\\\t100.0\t200.0", "1.5\t2.0\t", "2.0\t2.5\tyou")
    cue = ["1", "00:00:00,500 --> 00:00:01,250", "<i>Hello</i>", "there", ""]
    write(tmp_path / "b.srt", *cue, "2", "00:00:02,000 --> 00:00:02,500", "{\\an8}you", "", encoding="utf-8-sig")
    tiers = [
        '"IntervalTier"',
        '"anna"',
        0,
        3,
        1,
        0.5,
        1,
        '"say ""x"""',
        '"IntervalTier"',
        '"ben"',
        0,
        3,
        1,
        0.8,
        2,
        '"no"',
    ]
    write(tmp_path / "c.TextGrid", 'File type = "ooTextFile"', 'Object class = "TextGrid"', "0\n3\n<exists>\n2", *tiers)
    found, imported = read(tmp_path)
    assert [(u.audio.stem, u.start, round(u.seconds, 3), u.text, u.speaker) for u in found] == [
        ("a", 0.5, 0.5, "hello", ""),
        ("a", 2.0, 0.5, "you", ""),
        ("b", 0.5, 0.75, "Hello there", ""),
        ("b", 2.0, 0.5, "you", ""),
        ("c", 0.5, 0.5, 'say "x"', "anna"),
        ("c", 0.8, 1.2, "no", "ben"),
    ]
    assert "without 1 that are empty" in imported.notes[0]
    assert any("recordings with overlapping segments: 1 (c.wav); kept" in warning for warning in imported.warnings)


def test_a_long_ctm_is_cut_at_pauses(tmp_path, record, write, read):
    record(tmp_path / "talk.wav", 40)
    words = [(1.0, "so"), (1.3, "we"), (10.0, "went"), (35.0, "home")]
    write(tmp_path / "talk.ctm", *(f"talk 1 {start} 0.2 {word}" for start, word in words))
    assert [(u.start, u.seconds, u.text) for u in read(tmp_path)[0]] == [
        (0.9, pytest.approx(0.7), "so we"),
        (9.9, pytest.approx(0.4), "went"),
        (34.9, pytest.approx(0.4), "home"),
    ]


def test_an_aligned_textgrid_gives_words_and_phones_with_times(tmp_path, record, write, fill, read):
    fill(tmp_path, "a", "b")
    for name in "ab":
        words = ['"IntervalTier"', '"words"', 0, 0.4, 2, 0, 0.1, '""', 0.1, 0.4, '"ha"']
        phones = ['"IntervalTier"', '"phones"', 0, 0.4, 3, 0, 0.1, '"sil"', 0.1, 0.2, '"h"', 0.2, 0.4, '"a:"']
        head = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "0", 0.4, "<exists>", 2]
        write(tmp_path / f"{name}.TextGrid", *head, *words, *phones)
    record(tmp_path / "c.wav")
    write(tmp_path / "c.phn", "0 800 sil", "800 1600 h", "1600 3200 a:")
    found, imported = read(tmp_path)
    assert [u.text for u in found] == ["ha", "ha", ""]
    assert {tuple(u.phones) for u in found} == {(("sil", 0.0, 0.1), ("h", 0.1, 0.2), ("a:", 0.2, 0.4))}
    assert imported.vocabulary.settings == {"kind": "phones", "symbols": "a: h sil"}


def test_timit_like_files_are_read_with_their_times_in_samples(tmp_path, record, write, read):
    for i in range(3):
        record(tmp_path / f"s{i}/sx{i}.wav", rate=16_000)
        write(tmp_path / f"s{i}/sx{i}.txt", "0 6400 She had your.")
        write(tmp_path / f"s{i}/sx{i}.phn", "0 1600 h#", "1600 6400 sh")
        write(tmp_path / f"s{i}/sx{i}.wrd", "1600 6400 she")
    found, imported = read(tmp_path)
    assert {(u.text, u.phones[1], u.words[0]) for u in found} == {
        ("She had your.", ("sh", 0.1, 0.4), ("she", 0.1, 0.4))
    }
    assert [u.speaker for u in found] == ["s0", "s1", "s2"]
    assert imported.vocabulary.settings == {"kind": "phones39"}


def test_speech_commands_names_speakers_by_hash(tmp_path, record, read):
    for word in ("yes", "no"):
        for speaker in ("0a7c", "1b2c", "3d4e", "5f6a"):
            record(tmp_path / word / f"{speaker}_nohash_0.wav")
    found, imported = read(tmp_path)
    assert imported.format == "classes"
    assert {(u.text, u.speaker) for u in found} >= {("yes", "0a7c"), ("no", "5f6a")}
    assert found[0].id.startswith("no-0a7c")  # what makes a name unique


def test_lhotse_without_files_says_so(tmp_path, write_json, fill):
    fill(tmp_path, "a", "b")
    good, bad = ({"id": f"r{i}", "sources": [{"type": "file", "source": "a.wav"}], "sampling_rate": 8000} for i in "12")
    bad["sources"][0] = {"type": "command", "source": "touch run"}
    supervisions = [{"id": i, "recording_id": f"r{i}", "start": 0.0, "duration": 0.3, "text": "a"} for i in "12"]
    write_json(tmp_path / "recordings.jsonl", good, bad)
    write_json(tmp_path / "supervisions.jsonl", *supervisions)
    reading = importers.read(Tree(tmp_path))[1]
    assert len(reading.entries) == 1
    assert any("without a recording that is a file here" in problem.what for problem in reading.problems)


def test_folders_named_for_sets_are_kept_and_names_may_repeat_in_them(tmp_path, record, write):
    for part in ("train", "validation", "test"):
        for speaker in ("1089", "2300"):
            record(tmp_path / part / f"{part}-{speaker}" / "1.wav")
            write(tmp_path / part / f"{part}-{speaker}" / "1.txt", "text")
    imported = look(tmp_path, Wishes())
    assert {name: [u.id for u in utterances] for name, utterances in imported.sets.items()} == {
        "train": ["train-train-1089-1", "train-train-2300-1"],
        "dev": ["validation-validation-1089-1", "validation-validation-2300-1"],
        "test": ["test-test-1089-1", "test-test-2300-1"],
    }
    assert "sets: as the folder names them" in imported.notes


def test_a_table_above_its_recordings_finds_those_of_each_set(tmp_path, record, write):
    for part in ("train", "test"):
        for name in "abcdefgh":
            record(tmp_path / part / "clips" / f"{name}.wav")
        write(
            tmp_path / part / "metadata.csv",
            "file_name,text",
            *(f"clips/{name}.wav,{part} {name}" for name in "abcdefgh"),
        )
    imported = look(tmp_path, Wishes())
    assert {u.text[:4] for u in imported.sets["test"]} == {"test"} and len(imported.sets["test"]) == 8
    assert {u.text[:5] for u in imported.sets["train"] + imported.sets["dev"]} == {"train"}
