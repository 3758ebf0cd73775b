"""Any text spoken by eSpeak: which lines it can speak, who reads what, and what comes out."""

import sys
import wave

import numpy as np
import pytest

from asr import config, corpora
from asr.corpora import espeak, espeak_library, espeak_readings, espeak_text
from asr.corpora.espeak_phones import PAUSE, Mark
from asr.errors import AsrError, InputError

pytest.importorskip("espeakng_loader")

TEXTS = {
    "en": "the weather is fine",
    "de": "das Wetter ist schön",
    "ru": "привет сегодня хорошая погода",
    "el": "καλημέρα θάλασσα",
    "ar": "مرحبا بالعالم",
    "hi": "नमस्ते दुनिया",
    "ja": "ひらがな",
    "ko": "안녕하세요",
    "cmn": "你好，世界",
    "yue": "你好，世界",
    "th": "ภาษาไทย",
}


@pytest.fixture
def few(monkeypatch):
    """Make few recordings instead of thousands."""
    monkeypatch.setattr(espeak_readings, "UTTERANCES", {"train": 6, "dev": 2, "test": 2})


# What can be spoken.


@pytest.mark.parametrize("language", TEXTS)
def test_a_voice_speaks_its_own_language(language):
    assert espeak_text.spoken([TEXTS[language]], language, "here").sentences == [TEXTS[language]]


@pytest.mark.parametrize(
    ("language", "script"),
    [("ru", "Cyrillic"), ("el", "Greek"), ("ar", "Arabic"), ("ja", "Hiragana"), ("cmn", "CJK"), ("th", "Thai")],
)
def test_letters_that_a_voice_only_names_are_not_spoken(language, script):
    with pytest.raises(
        InputError, match=rf"here: nothing to speak \(.*'en' only names \({script}\).*; choose the lang"
    ):
        espeak_text.spoken([TEXTS[language]], "en", "here")


def test_lines_that_cannot_be_spoken_are_skipped_and_said():
    text = espeak_text.spoken(["  yes ", "", "!?", "no", "yes", "你好", "cafe\u0301"], "en", "here")
    assert text.sentences == ["yes", "no", "caf\u00e9"]
    assert [warning.split(":")[0] for warning in text.warnings] == [
        "lines without a letter or a digit",
        "lines in letters that the voice 'en' only names (CJK)",
        "duplicate lines",
    ]


def test_an_unknown_language_is_refused_with_a_hint():
    with pytest.raises(AsrError, match="unknown language 'cnm': choose from .*did you mean 'cmn'"):
        espeak_text.spoken(["yes"], "cnm", "here")


def test_a_code_of_a_language_has_its_voice():
    languages = espeak_library.languages()
    assert {"en": "en", "zh": "cmn", "fr-fr": "fr", "de": "de"}.items() <= languages.items()


@pytest.mark.parametrize("content", [b"", b"\n \n"])
def test_an_empty_text_is_refused(tmp_path, content):
    (tmp_path / "empty.txt").write_bytes(content)
    with pytest.raises(InputError, match=r"empty.txt: nothing to speak \(it is empty\); write a sentence"):
        espeak_text.read(tmp_path / "empty.txt", "en")


def test_a_missing_library_is_reported(monkeypatch):
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(AsrError, match="espeakng-loader is not installed"):
        espeak_text.spoken(["yes"], "en", "here")


# Who reads what.


def test_no_voice_is_in_two_sets_and_a_closed_list_is_read_by_all():
    sets, how = espeak_readings.plan(["yes", "no", "stop"], "en")
    variants = [{reading.speaker.variant for reading in sets[name]} for name in corpora.SETS]
    assert not variants[0] & variants[1] and not variants[0] & variants[2] and not variants[1] & variants[2]
    assert how.endswith("every set reads all 3 sentences")
    counts = {name: [sum(r.sentence == word for r in sets[name]) for word in ("yes", "no", "stop")] for name in sets}
    assert counts == {"train": [667] * 3, "dev": [60] * 3, "test": [60] * 3}
    numbers = [reading.number for readings in sets.values() for reading in readings]
    assert numbers == list(range(1, len(numbers) + 1))


def test_of_many_sentences_none_is_in_two_sets_and_each_is_read():
    sentences = [f"sentence {i}" for i in range(250)]
    sets, how = espeak_readings.plan(sentences, "de", reads=2)
    texts = [{reading.sentence for reading in sets[name]} for name in corpora.SETS]
    assert [len(own) for own in texts] == [200, 25, 25] and set().union(*texts) == set(sentences)
    assert len(sets["train"]) == 400
    assert "no sentence in two sets" in how
    assert {reading.speaker.accent for readings in sets.values() for reading in readings} == {"de"}


def test_a_language_has_as_many_speakers_as_english():
    assert {name: len({who.id for who in own}) for name, own in espeak_readings.cast("cmn").items()} == {
        "train": 110,
        "dev": 12,
        "test": 12,
    }


# What comes out.


def test_recordings_have_their_rate_and_the_times_of_words_and_phones(tmp_path, few):
    readings, _ = espeak_readings.plan(["yes", "oh no"], "en")
    sets = espeak_readings.record(readings, "en", tmp_path / "out", rate=8000, workers=1)
    assert {name: len(utterances) for name, utterances in sets.items()} == {"train": 6, "dev": 2, "test": 2}
    for utterance in sets["train"]:
        with wave.open(str(utterance.audio)) as file:
            assert file.getframerate() == 8000
            assert file.getnframes() == round(utterance.seconds * 8000)
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float)
        assert [word.symbol for word in utterance.words] == utterance.text.split()
        begin, end = utterance.words[0].start, utterance.words[-1].end
        assert 0 <= begin < end <= utterance.seconds + 1e-3
        assert (utterance.phones[0].start, utterance.phones[-1].end) == (begin, end)
        speech = samples[round(8000 * begin) : round(8000 * end)]
        assert (speech**2).mean() > 4 * (np.r_[samples[: round(8000 * begin)], 0.0] ** 2).mean()


def test_the_same_readings_give_the_same_bytes_once(tmp_path, few):
    readings, _ = espeak_readings.plan(["你好", "谢谢"], "cmn")
    first = espeak_readings.record(readings, "cmn", tmp_path / "one", workers=1)
    espeak_readings.record(readings, "cmn", tmp_path / "two", workers=1)
    name = first["dev"][0].audio.relative_to(tmp_path / "one")
    assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    (tmp_path / "one" / name).write_bytes(b"kept")
    again = espeak_readings.record(readings, "cmn", tmp_path / "one", workers=1)
    assert (tmp_path / "one" / name).read_bytes() == b"kept"
    assert [u.id for u in again["train"]] == sorted(u.id for u in first["train"])
    (tmp_path / "one" / name).unlink()
    espeak_readings.record(readings, "cmn", tmp_path / "one", workers=1)
    assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_words_that_espeak_joins_or_divides():
    marks = [Mark(0, "a", 0), Mark(1600, "b", 1), Mark(3200, "", 1), Mark(4800, "c", 2), Mark(6400, PAUSE, -1)]
    divided = espeak_readings._words("ab c", marks, [0, 1, 3])
    assert divided == (("ab", 0.0, 0.3), ("c", 0.3, 0.4))
    assert espeak_readings._words("a b c d", marks, [0, 2, 4]) == ()


# The settings of a recipe.


def recipe(table, tmp_path):
    return config.parse({"corpus": {"name": "espeak"} | table}, "test").corpus


def test_a_text_makes_a_corpus_of_its_own(tmp_path, few):
    (tmp_path / "orders.txt").write_text("stop\ngo\n")
    section = recipe({"text": "orders.txt", "language": "de"}, tmp_path)
    assert (section.folder, config.Corpus().folder) == ("espeak-orders-de", "espeak")
    settings = corpora.settings(section, tmp_path)
    assert settings == {"text": tmp_path / "orders.txt", "language": "de"}
    paths = corpora.prepare("espeak", None, tmp_path / "out", settings=settings)
    before = paths["train"].read_bytes()
    corpora.prepare("espeak", None, tmp_path / "out", settings=settings)
    assert paths["train"].read_bytes() == before
    (tmp_path / "orders.txt").write_text("left\nright\n")
    corpora.prepare("espeak", None, tmp_path / "out", settings=settings)
    assert b"left" in paths["train"].read_bytes()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"txet": "orders.txt"}, "'txet' is not a setting of the name 'espeak'.*did you mean 'text'"),
        ({"text": 3}, r"text = 3: must be the path of a file"),
        ({"reads": -1}, "reads = -1: must be at least 0"),
        ({"name": "timit", "text": "orders.txt"}, "'text' is not a setting of the name 'timit'"),
    ],
)
def test_a_setting_that_is_wrong_is_refused(tmp_path, table, message):
    with pytest.raises(AsrError, match=message):
        corpora.settings(recipe(table, tmp_path), tmp_path)


def test_a_language_needs_a_text(tmp_path):
    with pytest.raises(AsrError, match=r"\[corpus\] language and reads: are of a text; add text"):
        espeak.Espeak(language="de")(None, tmp_path)


def test_a_missing_text_is_reported(tmp_path):
    settings = corpora.settings(recipe({"text": "nowhere.txt"}, tmp_path), tmp_path)
    with pytest.raises(InputError, match=r"nowhere.txt: cannot be read \(No such file"):
        corpora.prepare("espeak", None, tmp_path / "out", settings=settings)
