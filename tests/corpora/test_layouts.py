"""Small trees in the shape of corpora that cannot be fetched in tests."""

import tarfile

import numpy as np
import pytest
import soundfile

from asr.corpora import aishell, an4, fsdd, fsdd_connected, librispeech, ljspeech, thchs30, yesno
from asr.errors import InputError


def record(path, seconds=0.1, rate=8000):
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.random.default_rng(1).uniform(-0.5, 0.5, round(seconds * rate))
    soundfile.write(path, samples, rate, subtype="PCM_16")


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_yesno_holds_out_recordings(tmp_path, capsys):
    for i in range(12):
        record(tmp_path / f"{'_'.join(f'{i:08b}')}.wav")
    sets = yesno.prepare(tmp_path, tmp_path / "out")
    assert {name: len(utterances) for name, utterances in sets.items()} == {"train": 8, "dev": 2, "test": 2}
    assert sets["train"][1].text == "no no no no no no no yes"
    assert "a single speaker is in all sets" in capsys.readouterr().err


@pytest.fixture
def digits(tmp_path):
    for speaker in ("ann", "ben", "cas", "dan"):
        for digit in range(10):
            record(tmp_path / "fsdd" / f"{digit}_{speaker}_0.wav")
    return tmp_path / "fsdd"


def test_fsdd_is_split_by_speaker(digits, tmp_path):
    sets = fsdd.prepare(digits, tmp_path / "out")
    assert [sorted({u.speaker for u in utterances}) for utterances in sets.values()] == [
        ["ann", "ben"],
        ["cas"],
        ["dan"],
    ]
    assert {u.text for u in sets["test"]} == set(fsdd.DIGITS.values())


def test_fsdd_needs_three_speakers(digits, tmp_path):
    for path in [*digits.glob("*_ann_*"), *digits.glob("*_ben_*")]:
        path.unlink()
    with pytest.raises(InputError, match="has 2 speakers, and three sets need three"):
        fsdd.prepare(digits, tmp_path / "out")


def test_connected_digits_use_each_clip_once_and_say_when(digits, tmp_path):
    sets = fsdd_connected.prepare(digits, tmp_path / "out")
    for utterances in sets.values():
        for speaker in {u.speaker for u in utterances}:
            said = [word for u in utterances if u.speaker == speaker for word in u.text.split()]
            assert sorted(said) == sorted(fsdd.DIGITS.values())
    for u in sets["train"]:
        samples, rate = soundfile.read(u.audio)
        assert len(samples) / rate == pytest.approx(u.seconds)
        assert " ".join(word.symbol for word in u.words) == u.text
        clip = samples[round(u.words[0].start * rate) : round(u.words[0].end * rate)]
        assert np.array_equal(clip, soundfile.read(next(digits.iterdir()))[0])
    again = fsdd_connected.prepare(digits, tmp_path / "again")
    assert [(u.id, u.text, u.seconds) for u in again["dev"]] == [(u.id, u.text, u.seconds) for u in sets["dev"]]


def test_librispeech_is_read_by_part(tmp_path):
    for part, speaker in (("train-clean-5", 19), ("dev-clean-2", 84), ("test-clean", 61)):
        chapter = tmp_path / "LibriSpeech" / part / str(speaker) / "198"
        record(chapter / f"{speaker}-198-0000.flac")
        write(chapter / f"{speaker}-198.trans.txt", f"{speaker}-198-0000 NORTHANGER ABBEY\n")
    sets = librispeech.prepare_mini(tmp_path, tmp_path / "out", partial=False)
    assert [[(u.speaker, u.text) for u in sets[name]] for name in sets] == [
        [(speaker, "NORTHANGER ABBEY")] for speaker in ("19", "84", "61")
    ]
    with pytest.raises(InputError, match="does not contain train-clean-100"):
        librispeech.prepare_100(tmp_path, tmp_path / "out")


def test_ljspeech_takes_the_third_column(tmp_path):
    ids = ("LJ001-0001", "LJ049-0001", "LJ050-0001")
    for id in ids:
        record(tmp_path / "wavs" / f"{id}.wav", rate=22_050)
    write(tmp_path / "metadata.csv", "".join(f'{id}|in 1455 "so|in fourteen fifty-five "so\n' for id in ids))
    sets = ljspeech.prepare(tmp_path, tmp_path / "out", partial=True)
    assert [[(u.id, u.text) for u in sets[name]] for name in sets] == [
        [(id, 'in fourteen fifty-five "so')] for id in ids
    ]
    with pytest.raises(InputError, match=r"3 utterances \(not 13100\)"):
        ljspeech.prepare(tmp_path, tmp_path / "out")


def test_thchs30_takes_syllables_without_stray_tokens(tmp_path):
    for id, set_ in (("A11_0", "train"), ("B2_0", "dev"), ("C3_0", "test")):
        record(tmp_path / "data" / f"{id}.wav", rate=16_000)
        write(tmp_path / "data" / f"{id}.wav.trn", "绿 是\nlv4 l = shi4\nl v4 sh ix4\n")
        write(tmp_path / set_ / f"{id}.wav.trn", f"../data/{id}.wav.trn\n")
    sets = thchs30.prepare(tmp_path, tmp_path / "out", partial=True)
    assert [(u.speaker, u.text) for name in sets for u in sets[name]] == [(s, "lv4 shi4") for s in ("A11", "B2", "C3")]
    with pytest.raises(InputError, match=r"train: 1 utterances \(not 10000\)"):
        thchs30.prepare(tmp_path, tmp_path / "out")


def test_an4_is_read_from_its_lists(tmp_path):
    for set_, speaker in (("train", "fash"), ("train", "mblw"), ("test", "menk")):
        record(tmp_path / "wav" / set_ / speaker / f"an1-{speaker}-b.wav", rate=16_000)
    write(tmp_path / "etc" / "an4_train.transcription", "<s> YES </s> (an1-fash-b)\n<s> NO </s> (an1-mblw-b)\n")
    write(tmp_path / "etc" / "an4_test.transcription", "GO (an1-menk-b)\n")
    sets = an4.prepare(tmp_path, tmp_path / "out", partial=True)
    assert [[(u.speaker, u.text) for u in sets[n]] for n in sets] == [
        [("fash", "YES")],
        [("mblw", "NO")],
        [("menk", "GO")],
    ]
    with pytest.raises(InputError, match=r"test: 1 utterances \(not 130\)"):
        an4.prepare(tmp_path, tmp_path / "out")


def test_aishell_is_read_from_its_speakers_archives_and_without_spaces(tmp_path):
    for set_, speaker in (("train", "S0002"), ("dev", "S0724"), ("test", "S0764")):
        record(tmp_path / "packed" / set_ / speaker / f"BAC009{speaker}W0122.wav", rate=16_000)
        record(tmp_path / "packed" / set_ / speaker / f"BAC009{speaker}W0123.wav", rate=16_000)  # without transcript
        package = tmp_path / "data_aishell" / "wav" / f"{speaker}.tar.gz"
        package.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(package, "w:gz") as tarred:
            tarred.add(tmp_path / "packed" / set_, set_)
    lines = "".join(f"BAC009{speaker}W0122 而 对 楼市\n" for speaker in ("S0002", "S0724", "S0764"))
    write(tmp_path / "data_aishell" / aishell.TRANSCRIPTS, lines)
    for _ in range(2):  # the second time, they are unpacked already
        sets = aishell.prepare(tmp_path, tmp_path / "out", partial=True)
        assert [[(u.speaker, u.text) for u in sets[name]] for name in ("train", "dev", "test")] == [
            [("S0002", "而对楼市")],
            [("S0724", "而对楼市")],
            [("S0764", "而对楼市")],
        ]
    with pytest.raises(InputError, match=r"train: 1 utterances \(not 120098\)"):
        aishell.prepare(tmp_path, tmp_path / "out")
