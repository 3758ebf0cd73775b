"""Golden texts, written by hand from each format's specification."""

import json
from dataclasses import replace

import pytest

from asr.errors import AsrError
from asr.formats import FORMATS, Transcript, joined
from asr.manifest import Segment

UNITS = (Segment("sil", 0.0, 0.25), Segment("dh", 0.25, 0.5), Segment("ax", 0.5, 1.0))
PHONES = Transcript("rec/sx12.wav", 61.5, "sil dh ax", UNITS, confidence=(1.0, 0.5, 0.75), score=-3.25)
WORDS = Transcript(
    "sx12.wav",
    8.0,
    "the <end>",
    UNITS,
    words=(Segment("the", 0.25, 1.0), Segment("<end>", 6.5, 7.0)),
)


def test_txt_is_the_text():
    assert FORMATS["txt"](PHONES) == "sil dh ax\n"


def test_jsonl_is_one_line_and_json_the_same_object():
    line = FORMATS["jsonl"](PHONES)
    assert line.count("\n") == 1
    assert json.loads(line) == json.loads(FORMATS["json"](PHONES))
    assert json.loads(line)["units"][1] == {"unit": "dh", "start": 0.25, "end": 0.5, "confidence": 0.5}


def test_srt_numbers_captions_and_writes_commas():
    assert FORMATS["srt"](WORDS) == (
        "1\n00:00:00,250 --> 00:00:01,250\nthe\n\n2\n00:00:06,500 --> 00:00:07,500\n<end>\n"
    )


def test_vtt_writes_points_and_escapes():
    assert FORMATS["vtt"](WORDS) == (
        "WEBVTT\n\n00:00:00.250 --> 00:00:01.250\nthe\n\n00:00:06.500 --> 00:00:07.500\n&lt;end&gt;\n"
    )


def test_tsv_counts_milliseconds():
    assert FORMATS["tsv"](PHONES) == "start\tend\ttext\n0\t250\tsil\n250\t500\tdh\n500\t1000\tax\n"


def test_ctm_gives_start_duration_and_confidence():
    assert FORMATS["ctm"](PHONES) == (
        "sx12 1 0.000 0.250 sil 1.000\nsx12 1 0.250 0.250 dh 0.500\nsx12 1 0.500 0.500 ax 0.750\n"
    )
    assert FORMATS["ctm"](WORDS) == "sx12 1 0.250 0.750 the\nsx12 1 6.500 0.500 <end>\n"


def test_trn_ends_with_the_id():
    assert FORMATS["trn"](PHONES) == "sil dh ax (sx12)\n"


def test_textgrid_has_tiers_without_gaps():
    text = FORMATS["TextGrid"](WORDS)
    assert text.startswith('File type = "ooTextFile"\nObject class = "TextGrid"\n\nxmin = 0\nxmax = 8.0000\n')
    assert "size = 2\n" in text and 'name = "words"' in text and 'name = "units"' in text
    times = [line.split(" = ")[1] for line in text.splitlines() if line.startswith("            xm")]
    words = [(float(a), float(b)) for a, b in zip(times[0::2], times[1::2], strict=True)][:5]
    assert words == [(0.0, 0.25), (0.25, 1.0), (1.0, 6.5), (6.5, 7.0), (7.0, 8.0)]


def test_textgrid_doubles_quotes():
    assert 'text = "say ""a"""' in FORMATS["TextGrid"](Transcript("a.wav", 1.0, "", (Segment('say "a"', 0.0, 1.0),)))


def test_an_hour_is_written_as_an_hour():
    late = Transcript("a.wav", 4000.0, "x", (Segment("x", 3661.5, 3662.0),))
    assert "01:01:01,500 --> 01:01:02,500" in FORMATS["srt"](late)


@pytest.mark.parametrize("name", FORMATS)
def test_nothing_said_is_written_too(name):
    assert isinstance(FORMATS[name](Transcript("a.wav", 1.0, "")), str)


def test_letters_between_spaces_are_words():
    letters = [Segment(letter, i / 10, (i + 1) / 10) for i, letter in enumerate("he  is")]
    assert list(joined(letters)) == [Segment("he", 0.0, 0.2), Segment("is", 0.4, 0.6)]


def test_neighbours_in_a_caption_stand_apart():
    assert "\nsil dh ax\n" in FORMATS["srt"](PHONES)


def test_an_id_is_one_field():
    assert FORMATS["ctm"](Transcript("my file.wav", 1.0, "x", (Segment("x", 0.0, 1.0),))) == "my_file 1 0.000 1.000 x\n"


def test_words_have_their_own_confidence():
    sure = Transcript("a.wav", 1.0, "x", UNITS, (Segment("x", 0.0, 1.0),), (1.0, 1.0, 1.0), (0.25,))
    assert FORMATS["ctm"](sure) == "a 1 0.000 1.000 x 0.250\n"
    assert json.loads(FORMATS["json"](sure))["words"] == [{"word": "x", "start": 0.0, "end": 1.0, "confidence": 0.25}]


@pytest.mark.parametrize("name", FORMATS)
def test_a_transcript_is_written_in_the_format_of_its_ending(tmp_path, name):
    path = tmp_path / f"one.{name.lower()}"
    WORDS.write(str(path))
    assert path.read_text(encoding="utf-8") == WORDS.to(name) == FORMATS[name](WORDS)


def test_a_transcript_prints_as_its_text():
    assert str(PHONES) == "sil dh ax"


def test_an_ending_or_format_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(AsrError, match=r"one\.srtt: the ending '\.srtt' is not a format: .* did you mean 'srt'\?"):
        WORDS.write(tmp_path / "one.srtt")
    with pytest.raises(AsrError, match="unknown format 'docx'"):
        WORDS.to("docx")


def test_alternatives_are_written_below_the_best_hypothesis():
    nbest = replace(PHONES, alternatives=(replace(PHONES, text="dh ax", score=-4.0),))
    assert nbest.to("txt") == "sil dh ax\ndh ax\n"
    assert json.loads(nbest.to("json"))["alternatives"] == [{"text": "dh ax", "score": -4.0}]
    assert nbest.to("srt") == PHONES.to("srt")
