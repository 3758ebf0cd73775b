import os
import re
import shutil
from collections import Counter

import pytest
import soundfile

from asr.corpora import timit
from asr.corpora.protocol import Expected
from asr.corpora.timit_speakers import CORE_TEST_SPEAKERS, DEV_SPEAKERS, TRAIN_SPEAKERS
from asr.errors import InputError
from asr.phones import fold


def replace(path, content):
    """Put new content in a file that may be linked to a master."""
    path.unlink()
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def sphere(coding, count, data):
    lines = ["NIST_1A", "   1024", "channel_count -i 1", "sample_rate -i 16000", "sample_n_bytes -i 2"]
    lines += ["sample_byte_format -s2 01", "sample_sig_bits -i 16", f"sample_count -i {count}"]
    lines += [f"sample_coding -s{len(coding)} {coding}", "end_head", ""]
    return "\n".join(lines).encode().ljust(1024) + data


SHORTENED = sphere("pcm,embedded-shorten-v2.00", 480, b"ajkg" + bytes(100))


# The whole corpus.


def test_the_standard_protocol_holds_on_a_whole_tree(write_tree, tmp_path):
    sets = timit.prepare(write_tree(tmp_path / "TIMIT"), tmp_path)
    assert {name: len(utterances) for name, utterances in sets.items()} == {"train": 3696, "dev": 400, "test": 192}
    speakers = {name: {utterance.speaker for utterance in utterances} for name, utterances in sets.items()}
    assert speakers == {"train": TRAIN_SPEAKERS, "dev": DEV_SPEAKERS, "test": CORE_TEST_SPEAKERS}
    tokens = {name: sum(len(fold([p.symbol for p in u.phones], 39)) for u in sets[name]) for name in ("dev", "test")}
    assert tokens == {"dev": 15057, "test": 7215}
    assert not any("-sa" in utterance.id for utterances in sets.values() for utterance in utterances)


def test_the_training_speakers_are_462_of_whom_326_are_men():
    """TIMIT's own documents: 438 men and 192 women in all, less the 112 and 56 of the complete test set."""
    assert len(TRAIN_SPEAKERS) == 462
    assert Counter(name[0] for name in TRAIN_SPEAKERS) == {"m": 438 - 112, "f": 192 - 56}
    assert not TRAIN_SPEAKERS & (DEV_SPEAKERS | CORE_TEST_SPEAKERS)


FEW = frozenset({*sorted(TRAIN_SPEAKERS)[:19], "mprt0"})


@pytest.fixture
def damaged_tree(write_tree, tmp_path, monkeypatch):
    """Of a corpus whose training set has 20 speakers."""
    monkeypatch.setitem(timit.PROTOCOL, "train", Expected(160, 20, names=FEW))
    root = write_tree(tmp_path / "damaged", FEW)
    shutil.rmtree(root / "TRAIN" / speaker_folder(root, "TRAIN", "FAEM0"))
    shutil.rmtree(root / "TEST" / speaker_folder(root, "TEST", "MDAB0"))
    shutil.copytree(root / "TRAIN/DR4/MPRT0", root / "TRAIN/DR4/MZZZ9", copy_function=os.link)
    jar = root / "TEST" / speaker_folder(root, "TEST", "MJAR0")
    for path in jar.glob("SX43.*"):
        path.unlink()
    (jar / "SX133.PHN").unlink()
    replace(jar / "SX223.WAV", SHORTENED)
    replace(jar / "SX313.WAV", SHORTENED)
    for name in ("TEST/DR1/FAKS0/SI1573", "TEST/DR1/FAKS0/SI2203", "TRAIN/DR4/MPRT0/SI1210", "TRAIN/DR4/MPRT0/SX40"):
        wav = root / f"{name}.WAV"
        replace(wav, wav.read_bytes()[:1034])  # 5 samples of 480
    return root


def speaker_folder(root, top, name):
    (found,) = (root / top).glob(f"DR?/{name}")
    return found.relative_to(root / top)


def test_everything_that_is_wrong_stands_in_one_line(damaged_tree, tmp_path):
    with pytest.raises(InputError) as caught:
        timit.prepare(damaged_tree, tmp_path)
    message = str(caught.value)
    assert "\n" not in message
    assert "train: 158 utterances (not 160)" in message
    assert "dev: 394 utterances (not 400), " in message
    assert "test: 184 utterances (not 192), 23 speakers (not 24), " in message
    assert "test: no speaker mdab0" in message
    assert "dev: utterances 7 of 8 of" not in message  # unreadable is not missing, and has its own sentence
    assert re.search(r"dev: utterances 4 of 8 of mjar0 \(si1573 si2203 si943 sx403\);", message)
    assert re.search(r"TEST/DR\d/MJAR0/sx133: no \.PHN beside SX133.TXT, SX133.WAV, SX133.WRD", message)
    assert re.search(
        r"; TEST/DR\d/MJAR0/SX223.WAV, TEST/DR\d/MJAR0/SX313.WAV: is SPHERE compressed with shorten, .*sph2pipe",
        message,
    )
    assert "dr1-faks0-si1573, dr1-faks0-si2203, dr4-mprt0-si1210, dr4-mprt0-sx40: missing or unreadable" in message
    assert "known to be corrupt in a widely mirrored copy" in message
    assert "TEST/DR1/FAKS0/SI1573.WAV" in message
    assert "TRAIN/DR4/MPRT0/SX40.WAV" in message
    assert message.endswith("or accept them with --partial (make: PARTIAL=1)")


def test_partial_reports_deviations_as_warnings(damaged_tree, tmp_path, capsys):
    sets = timit.prepare(damaged_tree, tmp_path, partial=True)
    assert {name: len(utterances) for name, utterances in sets.items()} == {"train": 158, "dev": 394, "test": 184}
    output = capsys.readouterr()
    assert output.out == ""
    warnings = [line for line in output.err.splitlines() if line.startswith("warning: ")]
    assert any("no speaker mdab0" in line for line in warnings)
    assert any("MPRT0/SX40.WAV" in line for line in warnings)


def test_an_error_lists_eight_bad_files_and_partial_lists_all(small_tree, tmp_path, write_utterance, capsys):
    for number in range(300, 312):
        write_utterance(small_tree / f"TRAIN/DR1/FCJF0/SX{number}")
        replace(small_tree / f"TRAIN/DR1/FCJF0/SX{number}.WAV", SHORTENED)
    with pytest.raises(InputError, match=r"SX307.WAV, and 4 more: is SPHERE compressed with shorten") as caught:
        timit.prepare(small_tree, tmp_path)
    assert "SX308" not in str(caught.value)
    timit.prepare(small_tree, tmp_path, partial=True)
    warned = capsys.readouterr().err
    assert all(f"SX{number}.WAV" in warned for number in range(300, 312))


# One tree, many shapes.


def test_an_utterance_has_its_phones_words_and_prompt(small_tree):
    (utterance,) = timit.read_tree(small_tree)["train"]
    assert (utterance.id, utterance.speaker, utterance.text) == ("dr1-fcjf0-sx37", "fcjf0", "Don't ask me.")
    assert utterance.seconds == 480 / 16_000
    assert utterance.phones[:2] == (("h#", 0, 12 / 16_000), ("q", 12 / 16_000, 24 / 16_000))
    assert len(utterance.phones) == 38
    assert [word.symbol for word in utterance.words] == ["don't", "ask"]


def test_a_lower_case_tree_reads_like_an_upper_case_one(small_tree):
    upper = timit.read_tree(small_tree)
    for path in sorted(small_tree.rglob("*"), reverse=True):
        path.rename(path.with_name(path.name.lower()))
    lower = timit.read_tree(small_tree)
    assert [u.id for u in lower["train"] + lower["test"]] == [u.id for u in upper["train"] + upper["test"]]
    assert lower["train"][0].phones == upper["train"][0].phones


@pytest.mark.parametrize("above", ["", "LDC93S1", "archive/timit"])
def test_the_tree_is_found_two_levels_down(small_tree, tmp_path, above):
    root = tmp_path / "given"
    place = root / above / "TIMIT" if above != "archive/timit" else root / above
    shutil.copytree(small_tree, place)
    assert len(timit.read_tree(root)["test"]) == 1


@pytest.mark.parametrize("converted", ["SX37.WAV.wav", "SX37.wav"])
def test_a_converted_copy_is_preferred_to_the_original(small_tree, converted):
    original = small_tree / "TRAIN/DR1/FCJF0/SX37.WAV"
    soundfile.write(original.with_name(converted), soundfile.read(original)[0], 16_000, format="WAV")
    if len(list(original.parent.iterdir())) == 4:
        pytest.skip("this file system ignores case")
    replace(original, SHORTENED)
    assert timit.read_tree(small_tree)["train"][0].audio.name == converted


# One damaged file.

PHN, WRD, TXT, WAV = (f"SX37.{kind}" for kind in ("PHN", "WRD", "TXT", "WAV"))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (PHN, "0 12 h#\n12 20 zz\n", "SX37.PHN:2: 'zz' is not one of TIMIT's 61 phones; copy"),
        (PHN, "0 12 h#\n20 12 k\n", "SX37.PHN:2: the times of '20 12 k' are not in order"),
        (PHN, "12 20 h#\n0 12 k\n", "SX37.PHN:2: the times of '0 12 k' are not in order"),
        (PHN, "-5 12 h#\n", "SX37.PHN:1: the times of '-5 12 h#' are not in order"),
        (PHN, "0 12\n", "SX37.PHN:1: '0 12' is not 'start end phone'"),
        (PHN, "0 1.5 h#\n", "SX37.PHN:1: '0 1.5 h#' is not 'start end phone'"),
        (PHN, "", "SX37.PHN: contains no phone"),
        (PHN, b"0 12 \xff\n", "SX37.PHN: cannot be read as text"),
        (PHN, "0 2081 h#\n", r"SX37.WAV: contains 0.03 s, but its phones end at 0.13 s"),
        (WRD, "0 12\n", "SX37.WRD:1: '0 12' is not 'start end word'"),
        (WRD, "", "SX37.WRD: contains no word"),
        (TXT, "0 480\n", "SX37.TXT: does not contain 'start end text'"),
        (WAV, b"", "SX37.WAV: is empty"),
        (WAV, b"no audio" * 400, "SX37.WAV: is not audio"),
        (WAV, SHORTENED, "SX37.WAV: is SPHERE compressed with shorten, .*sph2pipe"),
        (WAV, sphere("pcm", 480, b""), "SX37.WAV: contains only 0 of the 480 samples"),
        (WAV, sphere("pcm", 480, bytes(400)), "SX37.WAV: contains only 200 of the 480 samples"),
    ],
)
def test_a_damaged_file_is_reported_with_a_remedy(small_tree, name, content, message):
    replace(small_tree / "TRAIN/DR1/FCJF0" / name, content)
    with pytest.raises(InputError, match=rf"1 problem: TRAIN.DR1.FCJF0.{message}.*; "):
        timit.read_tree(small_tree)


def test_a_recording_shorter_than_its_phones_is_refused(small_tree):
    """An intact but wrong file, or one that was cut and given a consistent header."""
    folder = small_tree / "TRAIN/DR1/FCJF0"
    replace(folder / PHN, "0 1600 h#\n1600 3200 aa\n3200 32000 h#\n")
    replace(folder / WAV, sphere("pcm", 10_000, bytes(20_000)))
    with pytest.raises(InputError, match=r"SX37.WAV: contains 0.62 s, but its phones end at 2.00 s; copy it again"):
        timit.read_tree(small_tree)


def test_phones_may_run_a_little_beyond_the_audio(small_tree):
    replace(small_tree / "TRAIN/DR1/FCJF0" / PHN, f"0 {480 + int(timit.SLACK * 16_000)} h#\n")
    assert timit.read_tree(small_tree)["train"][0].phones[-1].end == pytest.approx(0.13)


@pytest.mark.parametrize("kind", ["WAV", "PHN", "WRD", "TXT"])
def test_a_missing_file_of_an_utterance_is_reported(small_tree, kind):
    (small_tree / f"TRAIN/DR1/FCJF0/SX37.{kind}").unlink()
    with pytest.raises(InputError, match=rf"FCJF0.sx37: no \.{kind} beside SX37\.") as caught:
        timit.read_tree(small_tree)
    assert f"SX37.{kind}" not in str(caught.value)


# No such tree.


def test_a_missing_or_empty_folder_is_reported(tmp_path):
    with pytest.raises(InputError, match=r"nowhere: cannot be listed \(No such file"):
        timit.prepare(tmp_path / "nowhere", tmp_path)
    with pytest.raises(InputError, match=r"does not contain TIMIT \(no TRAIN/DR1"):
        timit.prepare(tmp_path, tmp_path)


def test_two_copies_in_one_folder_are_refused(small_tree, tmp_path):
    shutil.copytree(small_tree, tmp_path / "again")
    with pytest.raises(InputError, match="contains several copies of TIMIT .*TIMIT, .*again"):
        timit.read_tree(tmp_path)


def test_the_sample_is_not_mistaken_for_timit(flat_tree, tmp_path):
    with pytest.raises(InputError, match=r"is the free sample, not TIMIT; use RECIPE=timit-sample"):
        timit.prepare(flat_tree, tmp_path)


def test_without_a_source_three_lines_explain_where_to_get_timit(tmp_path):
    with pytest.raises(InputError) as caught:
        timit.prepare(None, tmp_path)
    where, how, without = str(caught.value).splitlines()
    assert "catalog.ldc.upenn.edu/LDC93S1" in where
    assert "make train RECIPE=timit TIMIT=/" in how
    assert "RECIPE=espeak" in without
    assert "RECIPE=timit-sample" in without
