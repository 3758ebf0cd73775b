import hashlib
import os
import shutil
import zipfile
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr.corpora import download, newlines, timit, timit_sample
from asr.corpora.download import Archive
from asr.corpora.timit_speakers import SAMPLE_DEV_SPEAKERS, SAMPLE_TEST_SPEAKERS, TRAIN_SPEAKERS
from asr.errors import AsrError, InputError
from asr.phones import fold

DEFAULT_FOLDER = Path(__file__).parents[3] / "shared" / "data" / "timit-sample"


@pytest.fixture(scope="module")
def sample():
    folder = Path(os.environ.get("TIMIT_SAMPLE", DEFAULT_FOLDER))
    if not folder.is_dir():
        pytest.skip("the free TIMIT sample is missing; set the environment variable TIMIT_SAMPLE to its folder")
    return folder


@pytest.fixture(scope="module")
def prepared(sample, tmp_path_factory):
    """The sets of the real sample, and what was said."""
    said = StringIO()
    with redirect_stderr(said):
        sets = timit_sample.prepare(sample, tmp_path_factory.mktemp("sample"))
    return sets, said.getvalue()


# The real sample.


def test_the_split_of_the_sample_matches_its_protocol(prepared):
    sets, _ = prepared
    assert {name: len(utterances) for name, utterances in sets.items()} == {"train": 80, "dev": 16, "test": 32}
    assert {u.speaker for u in sets["dev"]} == SAMPLE_DEV_SPEAKERS
    assert {u.speaker for u in sets["test"]} == SAMPLE_TEST_SPEAKERS
    tokens = [sum(len(fold([p.symbol for p in u.phones], 39)) for u in utterances) for utterances in sets.values()]
    assert tokens == [3023, 633, 1237]
    assert sum(u.seconds for utterances in sets.values() for u in utterances) == pytest.approx(390.2, abs=0.05)
    assert {u.speaker for u in sets["train"]} <= TRAIN_SPEAKERS


def test_the_sample_agrees_with_a_plain_count_of_its_files(sample, prepared):
    lines = [line.split() for path in sample.glob("*/s[ix]*.phn") for line in path.read_text().splitlines()]
    utterances = [u for set_ in prepared[0].values() for u in set_]
    assert len(list(sample.glob("*/s[ix]*.phn"))) == len(utterances) == 128
    assert sum(symbol != "q" for _, _, symbol in lines) == 3023 + 633 + 1237
    assert sorted(p.symbol for u in utterances for p in u.phones) == sorted(symbol for _, _, symbol in lines)


def test_a_known_utterance_is_read_correctly(prepared):
    (utterance,) = (u for u in prepared[0]["train"] if u.id == "dr1-fvmh0-sx26")
    assert utterance.text == "Most young rise early every morning."
    assert utterance.phones[1] == ("m", 2193 / 16_000, 2560 / 16_000)
    assert [word.symbol for word in utterance.words] == "most young rise early every morning".split()


LONG_PROMPTS = {"falk0", "ftlg0", "madd0"}  # their prompts give one sample too many, even for intact recordings


def test_repaired_recordings_have_the_lengths_given_in_the_prompts(sample, prepared):
    sets, said = prepared
    utterances = [u for set_ in sets.values() for u in set_]
    assert "27 of 128 recordings had lost bytes in a conversion of line endings, 74 more had" in said
    torn = 0
    for utterance in utterances:
        source = (sample / utterance.id[:9] / utterance.id[10:]).with_suffix(".wav")
        lost = len(newlines.repair(soundfile.read(source, dtype="int16")[0]).lost)
        told = int(source.with_suffix(".txt").read_text().split()[1])
        # A WAV file holds no half sample: an odd number of lost bytes took the other byte of the last with it.
        beyond = told - round(utterance.seconds * 16_000) - lost % 2
        assert beyond == 0 or (beyond == 1 and utterance.speaker in LONG_PROMPTS), utterance.id
        torn += lost > 0
    assert torn == 27


def test_a_sample_with_a_missing_file_is_refused(sample, tmp_path):
    for folder in sample.iterdir():
        if folder.name[4:] in SAMPLE_DEV_SPEAKERS:
            shutil.copytree(folder, tmp_path / "copy" / folder.name)
    (tmp_path / "copy" / "dr5-ftlg0" / "si1743.wav").unlink()
    with pytest.raises(InputError, match=r"dev: 15 utterances \(not 16\), .*dr5-ftlg0.si1743: no .WAV beside"):
        timit_sample.prepare(tmp_path / "copy", tmp_path)
    assert len(timit_sample.prepare(tmp_path / "copy", tmp_path, partial=True)["dev"]) == 15


# Small trees, fetched and given.


def test_a_flat_tree_is_read_without_its_sa_sentences(flat_tree):
    assert [(files.id, files.speaker) for files in timit.scan_flat(flat_tree)] == [
        ("dr1-fvmh0-sx26", "fvmh0"),
        ("dr2-faem0-si762", "faem0"),
    ]


def damaged_wave():
    """A glide at the level of speech after a text-mode copy, and the original."""
    time = np.arange(16_000) / 16_000
    wave = (9000 * np.sin(2 * np.pi * (300 + 100 * time) * time)).astype("<i2")
    wave[np.abs(wave - 2573).argmin()] = 2573  # 13 10
    text = wave.tobytes().replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return np.frombuffer(text[: len(text) // 2 * 2], "<i2"), wave


def put(path, samples, **format):
    path.unlink()  # one of several names of a master
    soundfile.write(path, samples, 16_000, **({"subtype": "PCM_16", "format": "WAV"} | format))


def test_a_damaged_recording_is_repaired_in_a_copy(flat_tree, tmp_path, capsys):
    torn, wave = damaged_wave()
    put(flat_tree / "dr2-faem0" / "si762.wav", torn)
    before = {path: path.read_bytes() for path in flat_tree.rglob("*.wav")}
    sets = timit_sample.prepare(flat_tree, tmp_path / "out", partial=True)
    copy = tmp_path / "out" / "audio" / "dr2-faem0" / "si762.wav"
    assert [u.audio for u in sets["train"] + sets["test"]] == [flat_tree / "dr1-fvmh0" / "sx26.wav", copy]
    assert {path: path.read_bytes() for path in flat_tree.rglob("*.wav")} == before
    message = capsys.readouterr().err
    assert (
        "1 of 2 recordings had lost bytes in a conversion of line endings, 0 more had clicks from it; repaired"
        in message
    )
    assert f"copies are in {copy.parents[1]}, the source is unchanged" in message
    repaired = soundfile.read(copy, dtype="int16")[0]
    assert sets["test"][0].seconds == len(repaired) / 16_000
    error = np.abs(repaired.astype(int) - wave[: len(repaired)])
    assert np.mean(error > 3) < 0.01


def test_an_intact_recording_is_used_in_place(flat_tree, tmp_path, capsys):
    wave = damaged_wave()[1]
    wave[np.abs(wave - 3400).argmin()] = 3400 - 3 * 256  # a click of its own, as a conversion makes them
    put(flat_tree / "dr2-faem0" / "si762.wav", wave)
    sets = timit_sample.prepare(flat_tree, tmp_path / "out", partial=True)
    assert sets["test"][0].audio == flat_tree / "dr2-faem0" / "si762.wav"
    assert not (tmp_path / "out" / "audio").exists() and "lost" not in capsys.readouterr().err


@pytest.mark.parametrize("format", [{"subtype": "FLOAT"}, {"subtype": "PCM_24"}])
def test_recordings_of_other_widths_than_16_bits_are_not_repaired(flat_tree, tmp_path, format):
    torn = damaged_wave()[0]
    samples = (torn + 0.25 * np.sign(torn)) / 32_768
    put(flat_tree / "dr2-faem0" / "si762.wav", samples, **format)
    sets = timit_sample.prepare(flat_tree, tmp_path / "out", partial=True)
    assert sets["test"][0].audio == flat_tree / "dr2-faem0" / "si762.wav"


def test_repair_does_not_hide_truncation(flat_tree, tmp_path):
    path = flat_tree / "dr2-faem0" / "si762.wav"
    put(path, damaged_wave()[0])
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(
        InputError, match=r"dr2-faem0.si762.wav: contains only \d+ of the \d+ bytes of audio its header"
    ):
        timit_sample.prepare(flat_tree, tmp_path / "out")


def test_an_unwritable_folder_is_reported(flat_tree, tmp_path):
    put(flat_tree / "dr2-faem0" / "si762.wav", damaged_wave()[0])
    (tmp_path / "out").write_text("a file, not a folder")
    with pytest.raises(
        AsrError, match=r"out.audio.dr2-faem0: cannot be written .*; free space or choose another location"
    ):
        timit_sample.prepare(flat_tree, tmp_path / "out", partial=True)


def test_timit_is_not_mistaken_for_the_sample(small_tree, tmp_path):
    with pytest.raises(InputError, match=r"is TIMIT, not the free sample; use RECIPE=timit"):
        timit_sample.prepare(small_tree, tmp_path)


def test_a_missing_folder_is_reported(tmp_path):
    with pytest.raises(InputError, match="nowhere: cannot be listed"):
        timit_sample.prepare(tmp_path / "nowhere", tmp_path)


def test_the_sample_is_downloaded_once(flat_tree, tmp_path, monkeypatch, capsys):
    with zipfile.ZipFile(tmp_path / "timit.zip", "w") as package:
        for path in flat_tree.rglob("*"):
            package.write(path, f"timit/{path.relative_to(flat_tree)}")
    content = (tmp_path / "timit.zip").read_bytes()
    checksum = f"md5:{hashlib.md5(content).hexdigest()}"
    monkeypatch.setattr(download, "SCHEMES", ("file",))
    monkeypatch.setattr(timit_sample, "ARCHIVE", Archive((tmp_path / "timit.zip").as_uri(), len(content), checksum))
    out = tmp_path / "data" / "timit-sample"
    sets = timit_sample.prepare(None, out, partial=True)
    assert [u.id for u in sets["train"] + sets["test"]] == ["dr1-fvmh0-sx26", "dr2-faem0-si762"]
    assert "train: 1 utterances (not 80)" in capsys.readouterr().err
    (tmp_path / "timit.zip").unlink()
    assert timit_sample.prepare(None, out, partial=True) == sets
    assert [path.name for path in out.iterdir()] == ["source"]  # no temporary file stays
