import ctypes
import os
import re
import shutil
import sys
import time
import wave
from collections import Counter
from functools import partial
from itertools import pairwise

import numpy as np
import pytest

from asr.corpora import espeak, espeak_library, espeak_tree, sentences, timit
from asr.corpora.espeak_phones import SOUNDS, Mark, Phone, phones, symbols
from asr.corpora.espeak_speakers import ACCENTS, speakers
from asr.errors import AsrError
from asr.phones import PHONES_39, PHONES_61, fold

pytest.importorskip("espeakng_loader")

CLOSURES = {"bcl": {"b"}, "dcl": {"d", "jh"}, "gcl": {"g"}, "pcl": {"p"}, "tcl": {"t", "ch"}, "kcl": {"k"}}
VOWELS = set("aa ae ah ao aw ax axr ay eh er ey ih ix iy ow oy uh uw ux".split())
TINY = {"voices": 2, "reads": {"train": 3, "dev": 3, "test": 3}}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("espeak") / "tree"
    espeak.synthesize(root, workers=1, **TINY)
    return root


@pytest.fixture(scope="module")
def spoken():
    """Forty random sentences and two chosen ones by the first twenty-one voices: (samples, phones) each."""
    cast = [who for who in speakers(1)["train"]][:21]
    texts = sentences.compose(40, np.random.default_rng(3)) + ["The kitten lost a cotton button."] * 2
    return [
        espeak.record(text, cast[index % len(cast) if index < 40 else 0], np.random.default_rng(index))
        for index, text in enumerate(texts)
    ]


def energy(samples, start, end):
    """Energy of the first difference in dB, as an independent measure of level."""
    return 10 * np.log10(np.mean(np.diff(samples[start:end].astype(float)) ** 2) + 1e-9)


# The tree.


def test_the_tree_has_timits_layout(tree):
    read = timit.read_tree(tree)
    assert {set_: len(utterances) for set_, utterances in read.items()} == {"train": 6, "test": 12}
    for utterance in read["train"] + read["test"]:
        assert re.fullmatch(r"dr[1-8]-[fm][a-z]{3}\d-s[ix]\d+", utterance.id)
        with wave.open(str(utterance.audio)) as file:
            assert (file.getframerate(), file.getsampwidth(), file.getnchannels()) == (16_000, 2, 1)
            last = file.getnframes()
        lines = [line.split() for line in utterance.audio.with_suffix(".PHN").read_text().splitlines()]
        assert (lines[0][0], lines[0][2], lines[-1][1], lines[-1][2]) == ("0", "h#", str(last), "h#")
        assert all(here[1] == there[0] for here, there in pairwise(lines))
        assert all(int(start) < int(end) and symbol in PHONES_61 for start, end, symbol in lines)


def test_words_contain_their_phones(tree):
    for utterance in timit.read_tree(tree)["train"]:
        assert [word.symbol for word in utterance.words] == sentences.words(utterance.text)
        assert all(here.end <= there.start for here, there in pairwise(utterance.words))
        borders = {phone.start for phone in utterance.phones} | {phone.end for phone in utterance.phones}
        assert all({word.start, word.end} <= borders for word in utterance.words)
        spoken = [p for p in utterance.phones if p.symbol not in ("h#", "pau")]
        assert all(any(w.start <= p.start and p.end <= w.end for w in utterance.words) for p in spoken)


def test_the_same_seed_gives_the_same_bytes_with_any_number_of_workers(tree, tmp_path):
    espeak.synthesize(tmp_path / "again", workers=2, **TINY)
    assert espeak.checksum(tmp_path / "again") == espeak.checksum(tree)


def test_a_breathy_voice_is_reproducible():
    breathy = next(who for who in speakers(1)["train"] if who.variant == "f3")
    samples, marks = espeak_library.speak("A fifth thief sees us.", breathy)
    time.sleep(1.1)  # the clock, in seconds, would seed the breath
    espeak_library.speak("Other words.", speakers(1)["dev"][0])
    again, same = espeak_library.speak("A fifth thief sees us.", breathy)
    assert np.array_equal(samples, again)
    assert marks == same


def test_another_seed_gives_another_tree(tree, tmp_path):
    espeak.synthesize(tmp_path, seed=2, workers=1, voices=1, reads={"train": 1, "dev": 1, "test": 1})
    texts = {path.read_text() for path in tmp_path.rglob("*.TXT") if path.parent.name != "DOC"}
    assert not texts & {path.read_text() for path in tree.rglob("S*.TXT")}


def test_only_an_incomplete_tree_is_synthesized_again(tmp_path, monkeypatch):
    once = partial(espeak.synthesize, tmp_path, workers=1, voices=1, reads={"train": 1, "dev": 1, "test": 1})

    def full(folder, entries):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(AsrError, match="No space left on device.*another location"):
        patch.setattr(espeak, "write_dictionary", full)
        once()
    stray = tmp_path / "TRAIN" / "DR1" / "MOLD0" / "SX1.WAV"
    stray.parent.mkdir()
    stray.write_bytes(b"of an incomplete tree")
    once()
    assert not stray.exists()
    stray.parent.mkdir()
    stray.write_bytes(b"not part of the tree")
    once()
    assert stray.exists()
    espeak.synthesize(tmp_path, seed=2, workers=1, voices=1, reads={"train": 1, "dev": 1, "test": 1})
    assert not stray.exists()


def test_prepare_splits_the_test_tree_by_speaker(tree, tmp_path, monkeypatch):
    monkeypatch.setattr(espeak, "synthesize", lambda root: shutil.copytree(tree, root))
    sets = espeak.Espeak()(None, tmp_path)
    who = {set_: {utterance.speaker for utterance in utterances} for set_, utterances in sets.items()}
    assert {set_: len(utterances) for set_, utterances in sets.items()} == {"train": 6, "dev": 6, "test": 6}
    assert who == {set_: {speaker.id for speaker in everyone[:2]} for set_, everyone in speakers(1).items()}


def test_a_source_is_refused(tmp_path):
    with pytest.raises(AsrError, match="is synthesized, not read; omit --source"):
        espeak.Espeak()(tmp_path, tmp_path)


def test_a_missing_library_is_reported_with_a_remedy(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(AsrError, match=r'espeakng-loader is not installed; `pip install "asr\[synth\]"`'):
        espeak.synthesize(tmp_path)


def test_the_dictionary_has_timits_format_and_every_word(tree):
    lines = (tree / "DOC" / "TIMITDIC.TXT").read_text().splitlines()
    entries = [re.fullmatch(r"([a-z']+)  /([a-z ]+)/", line) for line in lines if not line.startswith(";")]
    assert all(entries)
    assert {entry[1] for entry in entries} == set(sentences.vocabulary())
    assert all(set(fold(entry[2].split(), 39)) <= set(PHONES_39) - {"sil"} for entry in entries)
    assert len({entry[0] for entry in entries}) == len(entries)


def test_the_dictionary_contains_the_pronunciations_of_the_training_set_only(tree):
    listed = set((tree / "DOC" / "TIMITDIC.TXT").read_text().splitlines())
    sets = timit.read_tree(tree)
    said = {
        set_: {
            f"{word.symbol}  /{espeak_tree.pronunciation(p.symbol for p in own)}/"
            for utterance in utterances
            for word in utterance.words
            if (own := [p for p in utterance.phones if word.start <= p.start and p.end <= word.end])
        }
        for set_, utterances in sets.items()
    }
    assert said["train"] <= listed
    assert said["test"] - listed


def test_the_speaker_table_has_timits_format(tree):
    lines = [line for line in (tree / "DOC" / "SPKRINFO.TXT").read_text().splitlines() if not line.startswith(";")]
    assert len(lines) == 6
    assert all(
        re.fullmatch(r"[A-Z]{3}\d  [FM]  [1-8]  (TRN|TST)  \S+  \S+  \S+  \?\?\?  \?\?   en.*", x) for x in lines
    )


# The speakers and their sentences.


def test_no_sentence_is_read_twice(tmp_path):
    jobs = espeak._tasks(tmp_path, 1, None, espeak.READS)
    texts = [text for job in jobs for _, text in job.sentences]
    assert len(set(texts)) == len(texts) == sum(espeak.READS[job.set_] for job in jobs)
    numbers = [number for job in jobs for number, _ in job.sentences]
    assert numbers == list(range(1, len(texts) + 1))


def test_no_family_of_variants_is_in_two_sets():
    def family(variant):
        return variant if re.fullmatch(r"[fm]\d", variant) else variant.rstrip("0123456789")

    cast = speakers(1)
    families = {set_: {family(who.variant) for who in everyone} for set_, everyone in cast.items()}
    assert not families["train"] & families["dev"]
    assert not families["train"] & families["test"]
    assert not families["dev"] & families["test"]


def test_there_are_enough_speakers_of_both_sexes():
    cast = speakers(1)
    assert len(cast["train"]) >= 70
    assert min(len(cast["dev"]), len(cast["test"])) >= 10
    for everyone in cast.values():
        sexes = Counter(who.id[0] for who in everyone)
        assert set(sexes) == {"f", "m"}
        assert min(sexes.values()) >= len(everyone) / 4
        assert {who.dialect for who in everyone} == set(range(1, 9))
    ids = [who.id for everyone in cast.values() for who in everyone]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[fm][a-z]{3}\d", id) for id in ids)


def test_dev_and_test_have_150_to_200_utterances():
    cast = speakers(1)
    assert all(150 <= len(cast[set_]) * espeak.READS[set_] <= 200 for set_ in ("dev", "test"))


def test_every_variant_exists_in_espeak():
    import espeakng_loader

    there = set(os.listdir(os.path.join(espeakng_loader.get_data_path(), "voices", "!v")))
    assert {who.variant for everyone in speakers(1).values() for who in everyone} <= there


# The phones.


def test_every_word_in_every_accent_has_symbols():
    words = sentences.vocabulary()
    with espeak_library.loaded() as (library, _):
        library.espeak_TextToPhonemes.restype = ctypes.c_char_p
        for accent in ACCENTS:
            espeak_library._set_voice(library, accent)
            assert all(espeak_library._symbols(library, word) for word in words)


def test_all_symbols_are_among_the_61():
    assert {symbol for sound in SOUNDS for symbol in symbols(sound)} <= set(PHONES_61)


def test_an_unknown_sound_is_reported():
    with pytest.raises(AsrError, match="'ʘ' has no TIMIT symbol; add it to SOUNDS"):
        phones(np.zeros(1600, np.float32), [Mark(100, "ʘ", 0), Mark(800, "_", -1)])


def test_all_39_phones_and_timits_own_symbols_occur(spoken):
    said = {phone.symbol for _, found in spoken for phone in found}
    assert set(fold(said, 39)) == set(PHONES_39)
    assert {"dx", "el", "en", "axr", "q", "pau", "h#", "ix", "ao", "zh", *CLOSURES} <= said


def test_closures_precede_their_releases(spoken):
    for _, found in spoken:
        for here, there in pairwise(found):
            if here.symbol in CLOSURES:
                assert there.symbol in CLOSURES[here.symbol]
            if there.symbol in set().union(*CLOSURES.values()):
                assert here.symbol in CLOSURES or here.symbol in ("h#", "pau")


def test_closures_are_much_quieter_than_the_next_vowel(spoken):
    falls = [
        energy(samples, vowel.start, vowel.end) - energy(samples, closure.start, closure.end)
        for samples, found in spoken
        for closure, _, vowel in zip(found, found[1:], found[2:], strict=False)
        if closure.symbol in CLOSURES and vowel.symbol in VOWELS
    ]
    assert len(falls) > 100
    assert np.mean(falls) > 20
    assert np.mean(np.array(falls) > 8) > 0.97


def test_a_release_begins_with_the_burst(spoken):
    """6 ms after the border are louder than 6 ms before it, and 10 ms further back they are no louder."""
    rises = [
        energy(samples, release.start, release.start + 96) - energy(samples, release.start - 96, release.start)
        for samples, found in spoken
        for closure, release in pairwise(found)
        if closure.symbol in CLOSURES and closure.end - closure.start > 240
    ]
    assert len(rises) > 200
    assert np.median(rises) > 15
    assert np.mean(np.array(rises) > 3) > 0.9


def test_s_hisses_from_start_to_end(spoken):
    def hiss(samples, start, end):
        power = np.abs(np.fft.rfft(samples[start:end] * np.hanning(end - start))) ** 2
        share = np.linspace(0, 8000, len(power)) > 3500
        return power[share].sum() / power.sum()

    inside, outside = [], []
    for samples, found in spoken:
        for before, here, after in zip(found, found[1:], found[2:], strict=False):
            if here.symbol == "s" and {before.symbol, after.symbol} <= VOWELS:
                inside += [hiss(samples, here.start, here.start + 160), hiss(samples, here.end - 160, here.end)]
                outside += [hiss(samples, here.start - 160, here.start), hiss(samples, here.end, here.end + 160)]
    assert len(inside) > 10
    assert np.mean(inside) > 0.7
    assert np.mean(outside) < 0.3


def test_two_sounds_in_one_segment_are_separated():
    """A vowel of two steady halves, its l without a segment of its own: the boundary is in the middle."""
    seconds = np.arange(3200) / 16_000
    halves = [sum(np.sin(2 * np.pi * f * seconds) for f in formants) for formants in ((700, 1200), (350, 2600))]
    samples = np.concatenate([np.zeros(1600), *halves, np.zeros(1600)]).astype(np.float32) / 4
    marks = [Mark(1600, "ɪ", 0), Mark(8000, "l", 0), Mark(8000, "_", -1)]
    found = phones(samples, marks)
    assert [phone.symbol for phone in found] == ["h#", "ih", "l", "h#"]
    assert abs(found[1].end - 4800) <= 80
    assert found[2].end == 8000


def test_a_short_schwa_before_a_nasal_makes_it_syllabic():
    samples = np.random.default_rng(1).normal(0, 0.1, 8000).astype(np.float32)
    for length, expected in ((640, ["h#", "z", "em", "h#"]), (900, ["h#", "z", "ax", "m", "h#"])):
        marks = [Mark(800, "z", 0), Mark(2400, "ə", 0), Mark(2400 + length, "m", 0), Mark(5000, "_", -1)]
        assert [phone.symbol for phone in phones(samples, marks)] == expected
    apart = [Mark(800, "z", 0), Mark(2400, "ə", 0), Mark(3040, "m", 1), Mark(5000, "_", -1)]
    assert [phone.symbol for phone in phones(samples, apart)] == ["h#", "z", "ax", "m", "h#"]


def test_merged_words_are_refused():
    with pytest.raises(AsrError, match="'There was a dog.': en-us\\+m3 speaks 3 words instead of 4"):
        espeak_library.speak("There was a dog.", speakers(1)["train"][0])


def test_recordings_vary_in_level_and_noise_and_never_clip(spoken):
    levels, floors = [], []
    for samples, found in spoken:
        speech = samples[found[0].end : found[-1].start].astype(float)
        assert np.abs(samples).max() < 32_767 * 0.95
        levels.append(20 * np.log10(speech.std() / 32_768))
        floors.append(20 * np.log10(samples[: found[0].end - 80].std() / speech.std()))
    assert -34 < min(levels) < max(levels) < -17
    assert -63 < min(floors) < max(floors) < -38
    assert np.std(levels) > 2
    assert np.std(floors) > 3


def test_pronunciations_exclude_silent_phones():
    own = [Phone("kcl", 0, 1, 0), Phone("k", 1, 2, 0), Phone("ih", 2, 3, 0), Phone("q", 3, 4, 0), Phone("en", 4, 5, 0)]
    assert espeak_tree.pronunciation(phone.symbol for phone in own) == "k ih en"
