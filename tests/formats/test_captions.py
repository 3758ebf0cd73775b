"""Captions, as independent parsers read them."""

from io import StringIO

import numpy as np
import pytest
import srt
import webvtt

from asr.formats import Transcript
from asr.formats.subtitles import LINE, LINES, LONGEST, SHORTEST
from asr.manifest import Segment


def spoken(generator, kind):
    """Return a transcript of some words: at random times, often in the same millisecond, some absurdly long."""
    now, segments = generator.uniform(0, 4000), []
    for _ in range(generator.integers(1, 200)):
        length = generator.choice([1, 3, 8, 41, 43, 100, 300], p=[0.3, 0.3, 0.3, 0.03, 0.03, 0.02, 0.02])
        text = "".join(generator.choice(list("ab<&>字-"), length))
        seconds = generator.choice([0.0, 0.0002, 0.01, 0.3, 9.0], p=[0.05, 0.05, 0.3, 0.55, 0.05])
        segments.append(Segment(text, now, now + seconds))
        now += seconds + generator.choice([0.0, 0.1, 0.6, 3.0], p=[0.6, 0.25, 0.1, 0.05])
    if kind == "words":
        return Transcript("a.wav", now, "", (), tuple(segments))
    if kind == "units":
        return Transcript("a.wav", now, "", tuple(segments))
    return Transcript("a.wav", now, "", *letters(segments))


def letters(words):
    """Return characters that spell words, with spaces between them, and the words."""
    units = []
    for text, start, end in words:
        share = (end - start) / len(text)
        units += [Segment(one, start + i * share, start + (i + 1) * share) for i, one in enumerate(text)]
        units.append(Segment(" ", end, end))
    return tuple(units), tuple(words)


def parsed(transcript):
    """Return each caption's lines and times in ms, as two parsers read two formats that agree."""
    one = [
        (tuple(c.content.split("\n")), round(1000 * c.start.total_seconds()), round(1000 * c.end.total_seconds()))
        for c in srt.parse(transcript.to("srt"), ignore_errors=False)
    ]
    text = transcript.to("vtt")
    other = [(tuple(c.lines), c.start, c.end) for c in webvtt.from_buffer(StringIO(text)).captions]
    assert [times for _, *times in one] == [[milliseconds(start), milliseconds(end)] for _, start, end in other]
    escaped = [tuple(unescaped(line) for line in lines) for lines, *_ in other]
    assert [lines for lines, *_ in one] == escaped
    return one


def milliseconds(clock):
    hours, minutes, seconds = clock.split(":")
    return round(1000 * (3600 * int(hours) + 60 * int(minutes) + float(seconds)))


def unescaped(line):
    return line.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


@pytest.mark.parametrize("kind", ["words", "units", "characters"])
def test_captions_are_short_do_not_overlap_and_contain_everything(kind):
    generator = np.random.default_rng(5)
    for _ in range(8):
        transcript = spoken(generator, kind)
        found, before = parsed(transcript), 0
        for lines, start, end in found:
            assert before <= start < end <= start + 1000 * LONGEST
            assert 1 <= len(lines) <= LINES and all(0 < len(line) <= LINE for line in lines)
            before = end
        shown = "".join("".join(lines) for lines, *_ in found).replace(" ", "")
        assert shown == "".join(one.symbol for one in transcript.words or transcript.units)


def said(*segments):
    return Transcript("a.wav", 60.0, "", tuple(Segment(*one) for one in segments))


def test_a_pause_ends_a_caption_and_silence_is_one():
    close = said(("a", 0, 1), ("b", 1.4, 2), ("sil", 2, 2.9), ("c", 2.9, 3))
    assert parsed(close) == [(("a b sil",), 0, 2900), (("c",), 2900, 3900)]


def test_a_caption_is_seen_for_a_second_unless_the_next_one_comes():
    assert parsed(said(("a", 5, 5.01), ("b", 5.6, 5.7))) == [(("a",), 5000, 5600), (("b",), 5600, 6600)]
    assert parsed(said(("a", 59.5, 59.6))) == [(("a",), 59_500, 60_000)], "there is nothing to see after the end"
    assert SHORTEST == 1.0


def test_neighbors_share_lines_until_these_are_full():
    words = [(f"word{i:02}", i / 5, i / 5 + 0.2) for i in range(20)]
    lines = [lines for lines, *_ in parsed(said(*words))]
    assert lines[0] == (" ".join(f"word{i:02}" for i in range(6)), " ".join(f"word{i:02}" for i in range(6, 12)))
    assert len(lines) == 2


def test_seven_seconds_are_the_longest():
    times = [times for _, *times in parsed(said(*((str(i), i, i + 1.0) for i in range(10))))]
    assert times == [[0, 7000], [7000, 10_000]]


def test_what_is_not_separated_by_spaces_is_cut_between_its_characters():
    word = "".join(chr(0x4E00 + i) for i in range(120))
    units, words = letters([Segment(word, 0.0, 30.0)])
    found = parsed(Transcript("a.wav", 30.0, word, units, words))
    assert len(found) == 5 and "".join("".join(lines) for lines, *_ in found) == word
    assert all(end - start <= 7000 for _, start, end in found)
