import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr import audio, manifest
from asr.errors import AsrError, InputError
from asr.features import store
from asr.features.delta import Deltas
from asr.features.fbank import Fbank
from asr.features.mfcc import MFCC
from asr.features.normalise import Statistics
from asr.features.store import Store
from asr.manifest import Utterance

RATE = 16_000


def record(path, samples=8000, rate=RATE, seed=0):
    noise = 0.1 * np.random.default_rng(seed).standard_normal(samples)
    soundfile.write(path, noise, rate, subtype="PCM_16")
    return Utterance(path.stem, path, samples / rate, speaker=path.stem[0])


@pytest.fixture
def utterances(tmp_path):
    lengths = (8000, 400, 5555, 21_000, 4321)
    return [record(tmp_path / f"{'aabbc'[i]}{i}.wav", n, seed=i) for i, n in enumerate(lengths)]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "kept"


def expected(utterances, features):
    return [features(audio.read(u.audio)[0]) for u in utterances]


def refuses(samples):
    raise RuntimeError("computed although it was kept")


def frozen(features):
    """Features of the same settings that must not be computed."""
    double = type("Frozen", (), dict(vars(features), __call__=lambda self, samples: refuses(samples)))
    return double()


@pytest.mark.parametrize("features", [MFCC(), Fbank(mels=40, energy=True), Deltas(MFCC(), 2)])
def test_a_store_holds_what_the_features_of_each_recording_are(folder, utterances, features):
    kept = Store.open(folder, "train", utterances, features)
    assert len(kept) == 5 and kept.ids == ("a0", "a1", "b2", "b3", "c4")
    for i, matrix in enumerate(expected(utterances, features)):
        np.testing.assert_array_equal(kept[i], matrix)
        assert kept[i].dtype == np.float32 and kept.lengths[i] == len(matrix)


def test_lengths_and_offsets_are_int64_counts_of_rows(folder, utterances):
    kept = Store.open(folder, "train", utterances, MFCC())
    assert kept.lengths.dtype == kept.offsets.dtype == np.int64
    assert kept.lengths.tolist() == [48, 1, 33, 129, 25] and kept.offsets.tolist() == [0, 48, 49, 82, 211]


def test_a_store_counts_from_behind_and_ends(folder, utterances):
    kept = Store.open(folder, "train", utterances, MFCC())
    np.testing.assert_array_equal(kept[-1], kept[4])
    with pytest.raises(IndexError):
        kept[5]
    assert [len(matrix) for matrix in kept] == kept.lengths.tolist()


def test_a_view_is_no_copy_and_cannot_be_written(folder, utterances):
    kept = Store.open(folder, "train", utterances, MFCC())
    assert np.shares_memory(kept[0], kept[0]) and type(kept[0]) is np.ndarray
    with pytest.raises(ValueError, match="read-only"):
        kept[0][0, 0] = 1


def test_what_was_kept_is_not_computed_again(folder, utterances):
    first = Store.open(folder, "train", utterances, MFCC())
    again = Store.open(folder, "train", utterances, frozen(MFCC()))
    np.testing.assert_array_equal(first[3], again[3])
    assert again.ids == first.ids and (again.lengths == first.lengths).all()


def test_a_relative_path_finds_the_same_store(folder, utterances, monkeypatch):
    Store.open(folder, "train", utterances, MFCC())
    monkeypatch.chdir(folder.parent)
    moved = [Utterance(u.id, Path(u.audio.name), u.seconds) for u in utterances]
    Store.open(folder, "train", moved, frozen(MFCC()))


def test_other_settings_other_utterances_or_a_changed_recording_are_computed(folder, utterances):
    Store.open(folder, "train", utterances, MFCC())
    assert len(Store.open(folder, "train", utterances[:3], MFCC())) == 3
    renamed = [replace(u, id=f"x{u.id}") for u in utterances]
    assert Store.open(folder, "train", renamed, MFCC()).ids == ("xa0", "xa1", "xb2", "xb3", "xc4")
    assert Store.open(folder, "train", utterances, MFCC(coefficients=5))[0].shape == (48, 5)
    record(utterances[0].audio, seed=99)
    os.utime(utterances[0].audio, ns=(1, 1))
    kept = Store.open(folder, "train", utterances, MFCC())
    np.testing.assert_array_equal(kept[0], expected(utterances, MFCC())[0])


def test_statistics_are_those_of_the_rows(folder, utterances):
    kept = Store.open(folder, "train", utterances, MFCC())
    everything = Statistics.of(np.concatenate(list(kept)))
    for i, matrix in enumerate(kept):
        one, witness = kept.statistics(i), Statistics.of(matrix)
        assert one.count == witness.count
        np.testing.assert_array_equal([one.total, one.squares], [witness.total, witness.squares])
    assert kept.total().count == everything.count
    np.testing.assert_allclose(kept.total().mean, everything.mean)
    np.testing.assert_allclose(kept.total().std, everything.std)


def test_a_recording_at_another_rate_is_resampled(folder, tmp_path):
    fast = record(tmp_path / "fast.wav", 44_100, 44_100)
    kept = Store.open(folder, "train", [fast], MFCC())
    samples, rate = audio.read(fast.audio)
    np.testing.assert_array_equal(kept[0], MFCC()(audio.resample(samples, rate, RATE)))
    assert kept.lengths.tolist() == [98]


def test_all_recordings_are_tried_and_the_first_few_of_the_unusable_are_named(folder, utterances, tmp_path):
    (tmp_path / "a0.wav").write_bytes(b"")
    (tmp_path / "a1.wav").unlink()
    record(tmp_path / "b2.wav", 399)
    soundfile.write(tmp_path / "c4.wav", np.full(900, np.nan), RATE, subtype="FLOAT")
    with pytest.raises(InputError) as caught:
        Store.open(folder, "dev", utterances, MFCC())
    message = str(caught.value)
    assert message.startswith(f"dev: 4 of 5 recordings cannot be used: {tmp_path}/a0.wav: is empty; copy it again | ")
    assert f" | {tmp_path}/a1.wav: no such file; " in message and message.endswith(" | … 1 more")
    assert f" | {tmp_path}/b2.wav (b2): 399 samples (24.9375 ms) are shorter than one window" in message
    assert "\n" not in message and list(folder.iterdir()) == []


def test_a_single_unusable_recording_speaks_for_itself(folder, utterances, tmp_path):
    soundfile.write(tmp_path / "c4.wav", np.full(900, np.nan), RATE, subtype="FLOAT")
    with pytest.raises(InputError, match=r"^\S+c4\.wav: sample 0 is nan, not a number; write the file again$"):
        Store.open(folder, "dev", utterances, MFCC())


def test_our_own_mistakes_keep_their_name(folder, utterances):
    with pytest.raises(RuntimeError, match="computed although"):
        Store.open(folder, "dev", utterances, frozen(MFCC()))
    assert list(folder.iterdir()) == []


def test_a_set_of_nothing_is_refused(folder):
    with pytest.raises(InputError, match="^dev: holds no utterance"):
        Store.open(folder, "dev", [], MFCC())


def test_a_folder_that_cannot_be_made_is_refused(utterances, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(AsrError, match="file.*cannot be written"):
        Store.open(tmp_path / "file" / "kept", "dev", utterances, MFCC())


def shorten(path, content):
    path.write_bytes(content[:-4])


def lengthen(path, content):
    path.write_bytes(content + b"1234")


def empty(path, _content):
    path.write_bytes(b"")


def scramble(path, content):
    middle = len(content) // 2
    path.write_bytes(
        content[:middle] + bytes(255 - byte for byte in content[middle : middle + 40]) + content[middle + 40 :]
    )


def behead(path, content):
    path.write_bytes(b"!!!!!!!!" + content[8:])


def swap(path, _content):
    np.savez(path, ids=np.array(["a0"]))


@pytest.mark.parametrize(
    ("ending", "damage"),
    [("f32", shorten), ("f32", lengthen), ("f32", empty)]
    + [("npz", damage) for damage in (shorten, empty, scramble, behead, swap)],
)
def test_a_damaged_store_says_so_and_is_computed_again(folder, utterances, capsys, ending, damage):
    Store.open(folder, "train", utterances, MFCC())
    (path,) = folder.glob(f"*.{ending}")
    damage(path, path.read_bytes())
    kept = Store.open(folder, "train", utterances, MFCC())
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(str(path.with_suffix(""))) and "computed again" in line
    np.testing.assert_array_equal(kept[3], expected(utterances, MFCC())[3])
    assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize("ending", ["f32", "npz"])
def test_half_a_store_is_none(folder, utterances, ending):
    Store.open(folder, "train", utterances, MFCC())
    (path,) = folder.glob(f"*.{ending}")
    path.unlink()
    np.testing.assert_array_equal(Store.open(folder, "train", utterances, MFCC())[0], expected(utterances, MFCC())[0])


def test_a_store_in_a_folder_that_can_only_be_read_is_used(folder, utterances, monkeypatch):
    Store.open(folder, "train", utterances, MFCC())

    def denied(*_arguments):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(store.os, "utime", denied)
    assert len(Store.open(folder, "train", utterances, frozen(MFCC()))) == 5


def test_the_stores_opened_last_are_kept_and_other_sets_left_alone(folder, utterances):
    Store.open(folder, "train-2", utterances, MFCC())
    variants = [MFCC(coefficients=n) for n in range(1, store.KEPT + 1)]
    for i, features in enumerate(variants):
        Store.open(folder, "train", utterances, features)
        for path in folder.glob("train-*.npz"):
            os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns - 10**9 * (1 + i)))
    first = Store.open(folder, "train", utterances, variants[0])  # used again, so that the second is the oldest
    Store.open(folder, "train", utterances, MFCC(coefficients=13))
    for features in (variants[0], *variants[2:]):
        Store.open(folder, "train", utterances, frozen(features))
    Store.open(folder, "train-2", utterances, frozen(MFCC()))
    assert len(list(folder.iterdir())) == 2 * (store.KEPT + 1)
    with pytest.raises(RuntimeError, match="computed although"):
        Store.open(folder, "train", utterances, frozen(variants[1]))
    np.testing.assert_array_equal(first[0], expected(utterances, variants[0])[0])


def test_a_store_that_is_open_survives_its_files(folder, utterances):
    kept = Store.open(folder, "train", utterances, MFCC())
    for path in folder.iterdir():
        path.unlink()
    for i, matrix in enumerate(expected(utterances, MFCC())):
        np.testing.assert_array_equal(kept[i], matrix)


def test_few_results_wait_at_a_time(utterances, monkeypatch):
    begun = []

    class Watched(list):
        def __iter__(self):
            for utterance in super().__iter__():
                begun.append(utterance)
                yield utterance

    monkeypatch.setattr(store.os, "cpu_count", lambda: 1)
    results = store._extracted("train", Watched(utterances * 20), MFCC())
    for i in range(1, 100):
        next(results)
        assert len(begun) <= i + 4
    results.close()


def test_processes_that_compute_the_same_store_at_once_both_end_well(folder, utterances, tmp_path):
    program = (
        "import sys; from pathlib import Path; from asr import manifest; from asr.features import KINDS; "
        "from asr.features.store import Store; "
        "folder, utterances = Path(sys.argv[1]), manifest.read(Path(sys.argv[2])); "
        "[Store.open(folder, 'train', utterances, KINDS['mfcc'](coefficients=n)) for n in range(1, 9)]; print('well')"
    )
    manifest.write(tmp_path / "train.jsonl", utterances)
    command = [sys.executable, "-c", program, str(folder), str(tmp_path / "train.jsonl")]
    root = Path(__file__).parents[2]
    running = [subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(3)]
    for process in running:
        output, grumbling = process.communicate()
        assert (process.returncode, output.strip(), grumbling) == (0, b"well", b"")
    assert len(list(folder.iterdir())) == 2 * store.KEPT
