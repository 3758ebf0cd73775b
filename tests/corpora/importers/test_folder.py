import numpy as np
import pytest

from asr import bundle, config
from asr.corpora.importers import Tree, imported, patterns, probe
from asr.corpora.importers.folder import Wishes, look
from asr.corpora.importers.vocabulary import choose
from asr.errors import AsrError, InputError
from asr.manifest import Utterance


def with_texts(fill, write, root, texts, **shape):
    for name, text in texts.items():
        fill(root, name, **shape)
        write(root / f"{name}.txt", text)
    return root


def refused(root, message, **wishes):
    """Assert that a folder is refused in one line that begins with its name or with a file in it."""
    with pytest.raises(InputError, match=message) as caught:
        look(root, Wishes(**wishes))
    assert "\n" not in str(caught.value)
    assert ";" in str(caught.value)


def utterances(texts, speakers=("",)):
    return [Utterance(f"u{i:03}", None, 1.0, speakers[i % len(speakers)], text) for i, text in enumerate(texts)]


def units_of(*texts):
    found = utterances(texts)
    return choose({"train": found, "dev": [], "test": []})


# Names that contain the text.


@pytest.mark.parametrize(
    ("stems", "pattern"),
    [
        (
            [f"{d}_{s}_{t}" for d in range(10) for s in ("jackson", "theo") for t in range(50)],
            "{text}_{speaker}_{take}",
        ),
        ([f"{d}_{s}_{t}" for d in range(10) for s in ("jackson", "theo") for t in range(5)], "{text}_{speaker}_{take}"),
        (["0_0_1_0", "1_0_1_1", "0_1_0_0", "1_1_1_0"], "{text}"),
        ([f"{s}-{w}-{t}" for w in ("yes", "no") for s in ("s01", "s02") for t in "123"], "{speaker}-{text}-{take}"),
        ([f"{w}_{t}" for w in ("left", "right", "stop") for t in "123"], "{text}_{take}"),
        ([f"rec_{i:04}" for i in range(50)], ""),
        ([f"{c}_{s}_{t}" for c in ("apple", "pear") for s in ("ann", "bob") for t in "12"], ""),
        ([f"{d}_{t}" for d in range(5) for t in range(5)], ""),  # either may be what is said
        (["a", "b_c"], ""),
    ],
)
def test_parts_of_names_are_told_apart_or_asked_for(stems, pattern):
    assert patterns.guess(stems) == pattern


def test_names_that_are_not_clear_are_asked_about(tmp_path, fill):
    fill(tmp_path, *(f"{word}_{name}_{take}" for word in ("apple", "pear") for name in ("ann", "bob") for take in "12"))
    refused(tmp_path, r"all names have the shape '\{part1\}_\{part2\}_\{part3\}' \(apple_ann_1\), .*--pattern")
    imported = look(tmp_path, Wishes(pattern="{text}_{speaker}_{take}", dev="10%"))
    assert {(u.text, u.speaker) for us in imported.sets.values() for u in us} == {
        (text, speaker) for text in ("apple", "pear") for speaker in ("ann", "bob")
    }


def test_a_pattern_may_name_folders(tmp_path, fill, read):
    for speaker in ("ann", "bob"):
        fill(tmp_path / "wav" / speaker, "good day.1", "good day.2")
    found, _ = read(tmp_path, pattern="wav/{speaker}/{text}.{take}")
    assert [(u.id, u.text, u.speaker) for u in found][:2] == [
        ("wav-ann-good day.1", "good day", "ann"),
        ("wav-ann-good day.2", "good day", "ann"),
    ]


def test_a_star_stands_for_any_folders(tmp_path, fill, write, read):
    for speaker in ("ann", "bob"):
        with_texts(fill, write, tmp_path / "wav" / speaker / "monday", {f"{speaker}1": "hi", f"{speaker}2": "ho"})
    assert [u.speaker for u in read(tmp_path, pattern="wav/{speaker}/*")[0]] == ["ann", "ann", "bob", "bob"]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [("{take}", "has neither {text} nor {speaker}"), ("{text}_{x}_{x}", "redefinition of group name 'x'")],
)
def test_a_pattern_that_says_nothing_is_refused(tmp_path, fill, write, pattern, message):
    with_texts(fill, write, tmp_path, {"a_b_c": "x", "d_e_f": "y"})
    refused(tmp_path, f"--pattern .*: {message}", pattern=pattern)


# Units.


def test_few_words_that_are_said_often_are_whole_units():
    found = units_of(*["Yes.", "no", "no yes"] * 5)
    assert found.settings == {"kind": "words", "symbols": "no yes"}
    assert "2 words, a closed vocabulary (each is in train at least 10 times): no yes" in found.how


def test_a_word_that_train_has_not_makes_characters():
    train, other = utterances(["yes", "no"] * 9), utterances(["maybe"])
    assert choose({"train": train, "dev": other, "test": train}).settings["kind"] == "characters"


@pytest.mark.parametrize(
    ("texts", "alphabet", "drop", "said"),
    [
        (["Don't stop, 'Bob'!"], " 'bdnopst", "!,", "lower-cased"),
        (["Ёлка – да", "Straße"], " aerstßадклё", "–", "Latin"),
        (["你 好。", "世界!"], "世你好界", "!。 ", "characters of CJK"),
        (["नमस्ते दुनिया"], " तदनमयसािुे्", "", "Devanagari"),
        (["e\u0301"], "é", " ", "1 characters of Latin: é"),
    ],
)
def test_characters_are_those_of_the_text(texts, alphabet, drop, said):
    found = units_of(*texts)
    assert sorted(found.settings["alphabet"]) == sorted(alphabet)
    assert sorted(found.settings["drop"]) == sorted(drop)
    assert said in found.how
    for text in texts:
        assert found.units.transcript(text, [])


def test_dropped_punctuation_is_counted():
    assert "dropped: '!' 2, ',' 1" in units_of("a, b!", "c!").how


def test_letters_that_look_alike_are_named():
    (warning,) = units_of("cat", "cаt").warnings  # the second has a Cyrillic а
    assert "transcripts in several scripts (Latin 5, Cyrillic 1 letters), as in u001" in warning
    assert not units_of("漢字かな", "カタカナ").warnings


def test_figures_are_mentioned():
    assert "transcripts with numbers in figures: 1, as u000" in units_of("in 1914", "he went").warnings[0]


def test_thousands_of_characters_are_units():
    every = "".join(chr(0x4E00 + i) for i in range(3000))
    found = units_of(every)
    assert len(found.units) == 3001
    assert "3000 characters" in found.how and "2940 more" in found.how


def test_a_lexicon_makes_phones(tmp_path, fill, write, read):
    with_texts(fill, write, tmp_path, {"a": "Ha!", "b": "ha oh", "c": "oh"})
    lexicon = {"ha": [("hh", "aa")], "oh": [("ow",)]}
    found, imported = read(tmp_path, lexicon=lexicon)
    assert [[phone.symbol for phone in u.phones] for u in found] == [["hh", "aa"], ["hh", "aa", "ow"], ["ow"]]
    assert imported.vocabulary.settings == {"kind": "phones39"}
    refused(tmp_path, r"words missing from the lexicon, .*: 1 \(oh 2\); skipped", lexicon={"ha": [("hh", "aa")]})


# What is wrong with a folder.


def test_what_does_not_match_is_named_both_ways_and_left_out(tmp_path, fill, write, read):
    fill(tmp_path, *"abcd")
    write(tmp_path / "all.txt", "a one", "b two", "c three", "x four", "y five")
    found, imported = read(tmp_path)
    assert [u.id for u in found] == ["a", "b", "c"]
    assert "transcripts in all.txt without their recording: 2 (x, y); skipped" in imported.warnings
    assert "recordings without a transcript: 1 (d.wav); skipped" in imported.warnings


def test_more_that_is_wrong_than_right_is_not_gone_on_with_unasked(tmp_path, fill, write, read):
    fill(tmp_path, *"abcdefgh")
    write(
        tmp_path / "all.csv", "path,text", "a.wav,one", "b.wav,two", "c.wav,three", *(f"{i}.wav,no" for i in range(9))
    )
    refused(tmp_path, r"transcripts in all.csv without their recording: 9 \(0.wav, .*--partial")
    assert len(read(tmp_path, partial=True)[0]) == 3


def test_empty_transcripts_are_left_out(tmp_path, fill, write, read):
    with_texts(fill, write, tmp_path, {"a": "one", "b": " ", "c": "three", "d": "four"})
    found, imported = read(tmp_path)
    assert [u.id for u in found] == ["a", "c", "d"]
    assert "empty transcripts: 1 (b.wav); skipped" in imported.warnings


def test_two_transcripts_for_one_recording_are_a_question(tmp_path, fill, write, read):
    with_texts(fill, write, tmp_path, {"a": "one", "b": "two", "c": "three", "d": "four"})
    write(tmp_path / "a.lab", "ONE")
    write(tmp_path / "b.lab", "too")
    refused(tmp_path, r"recordings with two transcripts that differ: 1 \(b.wav\)")
    assert [u.id for u in read(tmp_path, partial=True)[0]] == ["a", "c", "d"]


def test_one_recording_twice_in_a_list_with_different_texts_is_a_question(tmp_path, fill, write, read):
    fill(tmp_path, *"abcd")
    write(tmp_path / "all.txt", "a one", "a eins", "b two", "b two", "c three", "d four")
    refused(tmp_path, r"recordings with two transcripts that differ: 1 \(a.wav\)")
    assert [u.id for u in read(tmp_path, partial=True)[0]] == ["b", "c", "d"]


def test_an_unknown_encoding_is_named(tmp_path, fill, write, read):
    with_texts(fill, write, tmp_path, {"a": "one", "b": "two", "c": "three", "d": "four"})
    write(tmp_path / "b.txt", "schön", encoding="latin-1")
    found, imported = read(tmp_path)
    assert [u.id for u in found] == ["a", "c", "d"]
    assert "transcripts that cannot be read: 1 (" in imported.warnings[0]
    assert "b.txt: cannot be read as a transcript (byte 3, 0xf6, is not UTF-8)" in imported.warnings[0]


def test_a_folder_without_transcripts_is_refused(tmp_path, fill):
    fill(tmp_path, "one", "a")
    refused(tmp_path, "no transcripts found; put a .txt beside each recording, or one text file")


def test_folders_of_unknown_words_are_not_taken_for_what_is_said(tmp_path, fill, read):
    for name in ("anna", "ben", "carl"):
        fill(tmp_path / name, "rec1", "rec2")
    refused(tmp_path, "no transcripts found")
    assert {u.text for u in read(tmp_path, format="classes")[0]} == {"anna", "ben", "carl"}


@pytest.mark.parametrize(("name", "hint"), [("notes.txt", "name the folder that has them"), ("a.tar", "unpack a.tar")])
def test_a_folder_without_recordings_is_refused(tmp_path, name, hint):
    (tmp_path / name).write_text("x")
    refused(tmp_path, f"contains no recording .*; {hint}")


def test_recordings_that_are_too_few_for_three_sets_are_refused(tmp_path, fill, write):
    root = with_texts(fill, write, tmp_path / "few", {"a": "one", "b": "two"})
    with pytest.raises(InputError, match="few: 2 recordings leave train empty; add some"):
        look(root, Wishes())


def test_phones_that_no_transcript_has_are_refused(tmp_path, fill, write):
    root = with_texts(fill, write, tmp_path / "texts", {name: "one two" for name in "abcd"})
    with pytest.raises(InputError, match="--units phones: no recording has a transcript in phones; pass --lexicon"):
        look(root, Wishes(units="phones"))


def test_what_is_not_a_folder_is_refused(tmp_path, fill):
    refused(tmp_path / "gone", "gone: no such folder")
    refused(fill(tmp_path, "a")[0], "a.wav: is a file")


def test_a_kaldi_pipe_is_refused_and_never_run(tmp_path, fill, write, read):
    fill(tmp_path, *"abc")
    ran = tmp_path / "ran"
    write(tmp_path / "wav.scp", "a a.wav", "b b.wav", "c c.wav", f"x touch {ran} |", "y sph2pipe -f wav y.sph |")
    write(tmp_path / "text", "a one", "b two", "c three", "x four", "y five")
    refused(
        tmp_path, r"recordings in wav.scp that are commands \(`… \|`\), which are never run: 2 \(x, y\); run nothing"
    )
    assert [u.id for u in read(tmp_path, partial=True)[0]] == ["a", "b", "c"]
    assert not ran.exists()


def test_durations_that_the_audio_contradicts_are_named_and_not_believed(tmp_path, fill, write_json, read):
    fill(tmp_path, *"abc", seconds=0.5)
    lengths = {"a": 0.5, "b": 7.0, "c": 0.5}
    rows = [{"audio_filepath": f"{name}.wav", "duration": s, "text": name} for name, s in lengths.items()]
    write_json(tmp_path / "all.json", *rows)
    found, imported = read(tmp_path)
    assert [u.seconds for u in found] == [0.5, 0.5, 0.5]
    assert (
        "durations that the audio contradicts: 1 (b.wav (7 s, not 0.50 s)); the audio's duration is used"
        in imported.warnings
    )


def test_segments_outside_their_recording_are_left_out(tmp_path, fill, write, read):
    fill(tmp_path, "r", seconds=1)
    write(tmp_path / "wav.scp", "r r.wav")
    write(tmp_path / "segments", "s1 r 0 0.4", "s2 r 0.4 1.2", "s3 r 0.5 0.3", "s4 r 5 6", "s5 r 0.1 0.3")
    write(tmp_path / "text", *(f"s{i} text" for i in range(1, 6)))
    found, imported = read(tmp_path)
    assert [(u.id, u.start, round(u.seconds, 3)) for u in found] == [("s1", 0, 0.4), ("s2", 0.4, 0.6), ("s5", 0.1, 0.2)]
    assert "segments outside their recording or without length: 2 (r.wav (0.5 to 0.3 s), " in imported.warnings[0]


def test_recordings_that_cannot_be_read_are_left_out(tmp_path, fill, write, read):
    with_texts(fill, write, tmp_path, {"a": "one", "b": "two", "c": "three", "d": "four"})
    (tmp_path / "b.wav").write_bytes(b"not audio")
    found, imported = read(tmp_path)
    assert [u.id for u in found] == ["a", "c", "d"]
    assert "recordings that cannot be read: 1" in imported.warnings[0] and "b.wav" in imported.warnings[0]


@pytest.mark.parametrize(
    ("name", "lines", "message"),
    [
        ("a.csv", ["path,text,duration", "a.wav,x,long"], r"a.csv:2: duration is 'long', not a number of seconds"),
        ("a.csv", ["path,text", 'a.wav,"x', "b.wav,y"], r"a.csv:3: unclosed quote on or before this line"),
        ("a.jsonl", ['{"path": "a.wav", "text": "x"}', "{"], r"a.jsonl:2: not JSON"),
        ("a.jsonl", ['{"path": "a.wav", "text": "x"}', "[]"], r"a.jsonl:2: '\[\]' is not an object"),
        ("wav.scp", ["a a.wav", "a b.wav"], "wav.scp:2: duplicate id 'a'"),
        ("wav.scp", ["a a.wav"], "text: cannot be read as a table of Kaldi's .* complete the data directory"),
    ],
)
def test_a_damaged_list_is_named_with_its_line(tmp_path, fill, write, name, lines, message):
    fill(tmp_path, "a", "b", "c")
    write(tmp_path / name, *lines)
    refused(tmp_path, message)


def test_an_unknown_format_is_named_and_one_that_is_not_there_refused(tmp_path, fill, write):
    with_texts(fill, write, tmp_path, {"a": "one", "b": "two", "c": "three"})
    with pytest.raises(AsrError, match=r"unknown format 'kalid': choose from .*did you mean 'kaldi'"):
        look(tmp_path, Wishes(format="kalid"))
    refused(
        tmp_path, r"contains nothing of the format 'kaldi' \(a data directory of Kaldi's\); omit it", format="kaldi"
    )


def test_hidden_files_and_links_in_a_circle_are_not_followed(tmp_path, fill, write, read):
    with_texts(fill, write, tmp_path, {"a": "one", "b": "two", "c": "three"})
    (tmp_path / "._a.wav").write_bytes(b"of another system")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert len(read(tmp_path)[0]) == 3


def test_many_files_are_found_without_reading_them(tmp_path, fill):
    (master,) = fill(tmp_path, "master")
    for i in range(3000):
        (tmp_path / f"{i}.wav").hardlink_to(master)
    tree = Tree(tmp_path)
    assert tree.find("2999", tmp_path).name == "2999.wav"
    known = probe.headers(tree.audio)
    assert {(header.rate, header.seconds) for header in known.values()} == {(8000, 0.4)}


# The recipe.


def test_the_recipe_says_what_follows_from_the_recordings(tmp_path, fill, write):
    with_texts(fill, write, tmp_path, {"a": "Say «hi»\\", "b": "two", "c": "three"})
    found = look(tmp_path, Wishes())
    path = tmp_path / "recipe.toml"
    path.write_text(imported.recipe("mine", found), encoding="utf-8")
    recipe = config.load(path)
    assert (recipe.corpus.name, recipe.units.kind) == ("mine", "characters")
    assert bundle.build_features(recipe.features).rate == 8000
    assert recipe.features.prior == 10
    assert recipe.units.drop == "\\«»"
    assert f"make train DATA={tmp_path}" in path.read_text(encoding="utf-8")


def test_speakers_with_several_recordings_are_normalized_by_speaker(tmp_path, fill, write):
    fill(tmp_path, *(f"{word}_{who}_{take}" for word in ("no", "yes") for who in ("ann", "bob") for take in range(3)))
    found = look(tmp_path, Wishes(pattern="{text}_{speaker}_{take}"))
    (tmp_path / "recipe.toml").write_text(imported.recipe("mine", found), encoding="utf-8")
    features = config.load(tmp_path / "recipe.toml").features
    assert (features.normalise, features.prior) == ("speaker", 10)
    assert "normalization: by speaker" in found.notes


@pytest.mark.parametrize(("words", "readout"), [(("no", "yes"), "mean"), (("no", "yes yes"), "frames")])
def test_recordings_of_one_word_each_are_classified_as_a_whole(tmp_path, fill, words, readout):
    fill(tmp_path, *(f"{word}_{who}_{take}" for word in words for who in ("ann", "bob") for take in range(8)))
    found = look(tmp_path, Wishes(pattern="{text}_{speaker}_{take}"))
    (tmp_path / "recipe.toml").write_text(imported.recipe("mine", found), encoding="utf-8")
    recipe = config.load(tmp_path / "recipe.toml")
    assert (recipe.units.kind, recipe.encoder.readout) == ("words", readout)


def test_speakers_that_are_unknown_or_heard_once_are_not(tmp_path, fill, write):
    fill(tmp_path, *(f"{word}_{who}" for word in ("no", "yes") for who in ("ann", "bob", "eve")))
    for pattern in ("{text}_{speaker}", "{text}_{take}"):
        found = look(tmp_path, Wishes(pattern=pattern))
        assert "normalization: by utterance" in found.notes
        assert "normalise" not in imported.recipe("mine", found)


def test_the_rate_is_that_of_most_recordings_and_not_above_the_default(tmp_path, record, write, read):
    for name, rate in {"a": 44_100, "b": 44_100, "c": 8000}.items():
        record(tmp_path / f"{name}.wav", rate=rate)
        write(tmp_path / f"{name}.txt", name)
    _, imported = read(tmp_path)
    assert imported.rate == 16_000
    assert "rate: 16000 Hz, filters up to 8000 Hz (recordings: 44100 Hz 2, 8000 Hz 1)" in imported.notes


def test_a_segment_is_heard_where_it_is(tmp_path, fill, write, read):
    fill(tmp_path, "r", seconds=1)
    write(tmp_path / "r.txt", "0.250000\t0.500000\tx", "0.500000\t0.750000\ty", "0.8\t0.9\tz")
    found, _ = read(tmp_path)
    import soundfile

    whole, _ = soundfile.read(tmp_path / "r.wav", dtype="float32")
    np.testing.assert_array_equal(found[1].samples()[0], whole[4000:6000])
