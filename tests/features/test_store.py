import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr import audio, manifest
from asr.augment import at_speeds
from asr.errors import AsrError, InputError
from asr.features import shards, store
from asr.features.delta import Deltas
from asr.features.fbank import Fbank
from asr.features.mfcc import MFCC
from asr.features.normalise import Statistics
from asr.features.store import Store
from asr.manifest import Utterance
from asr.support import job
from asr.support.views import View

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
def small_shards(monkeypatch):
    """Three shards: of two utterances, one and two."""
    monkeypatch.setattr(store, "SHARD", 4 * 13 * 70)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "kept"


def expected(utterances, features):
    return [features(audio.read(u.audio)[0]) for u in utterances]


def refuses(samples):
    raise RuntimeError("computed although it was kept")


def frozen(features):
    """Features of the same settings that must not be computed."""
    double = type(
        "Frozen", (), dict(vars(features), settings=features.settings, __call__=lambda self, samples: refuses(samples))
    )
    return double()


@pytest.mark.parametrize("features", [MFCC(), Fbank(mels=40, energy=True), Deltas(MFCC(), 2)])
def test_a_store_contains_the_features_of_each_recording(folder, utterances, features):
    kept = Store.open(folder, "train", utterances, features)
    assert len(kept) == 5 and kept.dimension == features.dimension
    for i, matrix in enumerate(expected(utterances, features)):
        np.testing.assert_array_equal(kept[i], matrix)
        assert kept[i].dtype == np.float32 and kept.lengths[i] == len(matrix)


def test_a_set_that_stays_in_its_file_has_the_store_of_one_in_memory(folder, utterances, small_shards):
    expected = Store.open(folder, "train", View(range(5), utterances.__getitem__), MFCC())
    kept = Store.open(folder, "train", utterances, frozen(MFCC()))
    assert len(list(folder.iterdir())) == 3 and kept.digest == expected.digest


def test_of_a_mapped_store_only_the_wanted_rows_are_read(folder, utterances, small_shards, monkeypatch):
    """Systems read megabytes around a page that is missing, unless they are told before what is wanted."""
    wanted = []
    monkeypatch.setattr(shards.Shard, "expect", lambda shard, start, stop: wanted.append(stop - start))
    kept = Store.open(folder, "train", utterances, MFCC(), limit=0)
    kept.take(np.array([4, 0, 2]))
    assert sorted(wanted) == [25, 33, 48]
    kept[3]
    assert wanted[3:] == [129]


def test_lengths_and_offsets_are_counts_of_rows_in_4_bytes(folder, utterances):
    kept = Store.open(folder, "train", utterances, MFCC())
    assert (kept.lengths.dtype, kept.offsets.dtype) == (np.int32, np.uint32)
    assert kept.lengths.tolist() == [48, 1, 33, 129, 25] and kept.offsets.tolist() == [0, 48, 49, 82, 211]


def test_a_store_is_a_sequence(folder, utterances):
    kept = Store.open(folder, "train", utterances, MFCC())
    np.testing.assert_array_equal(kept[-1], kept[4])
    with pytest.raises(IndexError):
        kept[5]
    assert [len(matrix) for matrix in kept] == kept.lengths.tolist()


def test_features_are_read_only_views(folder, utterances):
    kept = Store.open(folder, "train", utterances, MFCC())
    assert np.shares_memory(kept[0], kept[0]) and type(kept[0]) is np.ndarray
    with pytest.raises(ValueError, match="read-only"):
        kept[0][0, 0] = 1


def test_cached_features_are_not_recomputed(folder, utterances):
    first = Store.open(folder, "train", utterances, MFCC())
    again = Store.open(folder, "train", utterances, frozen(MFCC()))
    np.testing.assert_array_equal(first[3], again[3])
    assert (again.lengths == first.lengths).all()


def test_a_relative_path_finds_the_same_store(folder, utterances, monkeypatch):
    Store.open(folder, "train", utterances, MFCC())
    monkeypatch.chdir(folder.parent)
    moved = [Utterance(u.id, Path(u.audio.name), u.seconds) for u in utterances]
    Store.open(folder, "train", moved, frozen(MFCC()))


def test_changed_settings_utterances_or_recordings_are_recomputed(folder, utterances):
    Store.open(folder, "train", utterances, MFCC())
    assert len(Store.open(folder, "train", utterances[:3], MFCC())) == 3
    renamed = [replace(u, id=f"x{u.id}") for u in utterances]
    with pytest.raises(RuntimeError, match="computed although"):
        Store.open(folder, "train", renamed, frozen(MFCC()))
    assert Store.open(folder, "train", utterances, MFCC(coefficients=5))[0].shape == (48, 5)
    record(utterances[0].audio, seed=99)
    os.utime(utterances[0].audio, ns=(1, 1))
    kept = Store.open(folder, "train", utterances, MFCC())
    np.testing.assert_array_equal(kept[0], expected(utterances, MFCC())[0])


def test_sums_are_those_of_the_rows_of_each_group(folder, utterances, small_shards):
    kept = Store.open(folder, "train", utterances, MFCC())
    groups = np.array([1, 0, 1, 1, 2])
    counts, totals, squares = kept.sums(groups)
    for group in range(3):
        witness = np.concatenate([kept[i] for i in np.flatnonzero(groups == group)]).astype(np.float64)
        assert counts[group] == len(witness)
        np.testing.assert_allclose(totals[group], witness.sum(axis=0))
        np.testing.assert_allclose(squares[group], (witness**2).sum(axis=0))
    assert kept.total().count == kept.lengths.sum()
    np.testing.assert_allclose(kept.total().total, totals.sum(axis=0))


@pytest.mark.parametrize("limit", [0, 1 << 40])
def test_statistics_are_those_of_each_utterance_to_the_bit(folder, utterances, small_shards, limit):
    kept = Store.open(folder, "train", utterances, MFCC(), limit)
    rows = [4, 0, -2, 0]
    for row, *found in zip(rows, *kept.statistics(np.array(rows)), strict=True):
        own = Statistics.of(kept[row])
        for one, other in zip(found, (own.count, own.total, own.squares), strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_store_in_memory_needs_its_files_no_more(folder, utterances, small_shards):
    kept = Store.open(folder, "train", utterances, MFCC(), limit=1 << 40)
    before = kept.digest
    for path in folder.iterdir():
        os.truncate(path, 0)
    assert kept.digest == before and kept.statistics(np.array([3]))[0].tolist() == [129]


def test_a_recording_at_another_rate_is_resampled(folder, tmp_path):
    fast = record(tmp_path / "fast.wav", 44_100, 44_100)
    kept = Store.open(folder, "train", [fast], MFCC())
    samples, rate = audio.read(fast.audio)
    np.testing.assert_array_equal(kept[0], MFCC()(audio.resample(samples, rate, RATE)))
    assert kept.lengths.tolist() == [98]


@pytest.mark.parametrize("speed", [0.9, 1.1])
def test_a_tone_at_another_speed_is_longer_or_shorter_and_has_another_pitch(folder, tmp_path, speed):
    def tone(path, pitch, seconds):
        soundfile.write(path, 0.3 * np.sin(2 * np.pi * pitch * np.arange(int(seconds * RATE)) / RATE), RATE)
        return Utterance(path.stem, path, seconds)

    recorded = replace(tone(tmp_path / "a.wav", 1000.0, 2.0), seconds=2.0 / speed, speed=speed)
    other = tone(tmp_path / "b.wav", 1000.0 * speed, 2.0 / speed)
    kept = Store.open(folder, "train", [recorded, other], Fbank())
    assert kept.lengths[0] == kept.lengths[1]
    loud = kept[1].max(axis=0) > kept[1].max() - 5  # filters that the tone is in
    np.testing.assert_allclose(kept[0][5:-5, loud], kept[1][5:-5, loud], atol=0.05)
    with pytest.raises(RuntimeError, match="computed although"):
        Store.open(folder, "train", [replace(recorded, speed=1.0), other], frozen(Fbank()))


def test_an_unusable_recording_is_named_once_however_many_speeds_it_is_used_at(folder, utterances, tmp_path):
    (tmp_path / "a0.wav").write_bytes(b"")
    used = at_speeds([utterances[0], *utterances[2:]], (0.9, 1.0, 1.1))
    with pytest.raises(InputError) as caught:
        Store.open(folder, "dev", used, MFCC())
    assert str(caught.value) == f"{tmp_path}/a0.wav: is empty; copy it again"
    (tmp_path / "b2.wav").unlink()
    with pytest.raises(InputError, match="dev: 2 of 4 recordings cannot be used"):
        Store.open(folder, "dev", used, MFCC())


def test_all_recordings_are_tried_and_the_first_few_unusable_ones_are_listed(folder, utterances, tmp_path):
    (tmp_path / "a0.wav").write_bytes(b"")
    (tmp_path / "a1.wav").unlink()
    record(tmp_path / "b2.wav", 399)
    soundfile.write(tmp_path / "c4.wav", np.full(900, np.nan), RATE, subtype="FLOAT")
    with pytest.raises(InputError) as caught:
        Store.open(folder, "dev", utterances, MFCC())
    message = str(caught.value)
    assert message.startswith(f"dev: 4 of 5 recordings cannot be used: {tmp_path}/a0.wav: is empty; copy it again | ")
    assert f" | {tmp_path}/a1.wav: no such file; " in message and message.endswith(" | and 1 more")
    assert f" | {tmp_path}/b2.wav (b2): 399 samples (24.9375 ms) are shorter than one window" in message
    assert "\n" not in message and list(folder.iterdir()) == []


def test_a_single_unusable_recording_is_reported_alone(folder, utterances, tmp_path):
    soundfile.write(tmp_path / "c4.wav", np.full(900, np.nan), RATE, subtype="FLOAT")
    with pytest.raises(InputError, match=r"^\S+c4\.wav: sample 0 is nan, not finite; write the file again$"):
        Store.open(folder, "dev", utterances, MFCC())


def test_internal_errors_are_not_converted(folder, utterances):
    with pytest.raises(RuntimeError, match="computed although"):
        Store.open(folder, "dev", utterances, frozen(MFCC()))
    assert list(folder.iterdir()) == []


def test_an_empty_set_is_rejected(folder):
    with pytest.raises(InputError, match="^dev: contains no utterances"):
        Store.open(folder, "dev", [], MFCC())


def test_a_folder_that_cannot_be_created_is_reported(utterances, tmp_path):
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
    middle = len(content) - 100
    path.write_bytes(
        content[:middle] + bytes(255 - byte for byte in content[middle : middle + 40]) + content[middle + 40 :]
    )


def betail(path, content):
    path.write_bytes(content[: -shards.TRAILER.size] + b"!!!!!!!!" + content[8 - shards.TRAILER.size :])


def resize(path, content):
    *_, utterances, dimension, rows, checksum = shards.TRAILER.unpack(content[-shards.TRAILER.size :])
    trailer = shards.TRAILER.pack(shards.MAGIC, utterances, dimension, rows + 1, checksum)
    path.write_bytes(content[: -len(trailer)] + trailer)


@pytest.mark.parametrize("damage", [shorten, lengthen, empty, scramble, betail, resize])
def test_a_damaged_shard_is_reported_and_recomputed_alone(folder, utterances, capsys, small_shards, damage):
    Store.open(folder, "train", utterances, MFCC())
    paths = sorted(folder.iterdir())
    before = [path.stat().st_ino for path in paths]
    damage(paths[1], paths[1].read_bytes())
    kept = Store.open(folder, "train", utterances, MFCC())
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{paths[1]}: damaged (") and "recomputing its features" in line
    for i, matrix in enumerate(expected(utterances, MFCC())):
        np.testing.assert_array_equal(kept[i], matrix)
    after = [path.stat().st_ino for path in sorted(folder.iterdir())]
    assert [one == other for one, other in zip(before, after, strict=True)] == [True, False, True]


def test_an_interrupted_computation_resumes(folder, utterances, small_shards):
    class Picky(MFCC):
        refused = 21_000

        def __call__(self, samples):
            if len(samples) == self.refused:
                raise KeyboardInterrupt
            return super().__call__(samples)

    with pytest.raises(KeyboardInterrupt):
        Store.open(folder, "train", utterances, Picky())
    assert sorted(path.name[-12:] for path in folder.iterdir()) == ["00000.frames", "00001.frames"]
    Picky.refused = 8000  # an utterance of the first shard, which is not to be computed again
    assert len(Store.open(folder, "train", utterances, Picky())) == 5


def test_a_store_in_a_read_only_folder_is_used(folder, utterances, monkeypatch):
    Store.open(folder, "train", utterances, MFCC())

    def denied(*_arguments):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(store.os, "utime", denied)
    assert len(Store.open(folder, "train", utterances, frozen(MFCC()))) == 5


def test_only_the_stores_of_a_set_that_were_opened_last_are_kept(folder, utterances):
    Store.open(folder, "train-2", utterances, MFCC())
    variants = [MFCC(coefficients=n) for n in range(1, store.MAX_STORES + 1)]
    for i, features in enumerate(variants):
        Store.open(folder, "train", utterances, features)
        for path in folder.glob("train-*.frames"):
            os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns - 10**9 * (1 + i)))
    first = Store.open(folder, "train", utterances, variants[0])  # used again, so that the second is the oldest
    Store.open(folder, "train", utterances, MFCC(coefficients=13))
    for features in (variants[0], *variants[2:]):
        Store.open(folder, "train", utterances, frozen(features))
    Store.open(folder, "train-2", utterances, frozen(MFCC()))
    assert len(list(folder.iterdir())) == store.MAX_STORES + 1
    with pytest.raises(RuntimeError, match="computed although"):
        Store.open(folder, "train", utterances, frozen(variants[1]))
    np.testing.assert_array_equal(first[0], expected(utterances, variants[0])[0])


def test_abandoned_temporary_files_are_deleted(folder, utterances):
    folder.mkdir()
    key = "0123456789abcdef"
    abandoned = f".train-{key}-00000.frames.17.tmp"
    others = [
        "train-2.npz",
        f".train-{key}-00001.frames.18.tmp",
        f".dev-{key}-00000.frames.17.tmp",
        "train-notes.frames",
    ]
    for name in (abandoned, *others):
        (folder / name).touch()
        if not name.endswith("18.tmp"):  # which another process may be writing now
            os.utime(folder / name, (1, 1))
    for n in range(1, store.MAX_STORES + 1):
        Store.open(folder, "train", utterances, MFCC(coefficients=n))
    names = {path.name for path in folder.iterdir()}
    assert abandoned not in names and set(others) < names and len(names) == len(others) + store.MAX_STORES


def test_an_open_mapped_store_survives_the_deletion_of_its_files(folder, utterances, small_shards):
    kept = Store.open(folder, "train", utterances, MFCC(), limit=0)
    shutil.rmtree(folder)
    for i, matrix in enumerate(expected(utterances, MFCC())):
        np.testing.assert_array_equal(kept[i], matrix)
        np.testing.assert_array_equal(kept.take(np.array([i]))[0], matrix)
    assert kept.total().count == kept.lengths.sum()


@pytest.mark.parametrize("limit", [0, 1 << 40])
def test_rows_are_taken_in_any_order_and_short_ones_repeat_their_last_frame(folder, utterances, small_shards, limit):
    kept = Store.open(folder, "train", utterances, MFCC(), limit)
    assert (kept.frames is None) == (limit == 0)
    witness = expected(utterances, MFCC())
    for rows in ([4, 0, 3], [2], [1, 1], [0, 1, 2, 3, 4]):
        taken = kept.take(np.array(rows))
        assert taken.shape == (len(rows), max(len(witness[i]) for i in rows), 13) and taken.dtype == np.float32
        for found, i in zip(taken, rows, strict=True):
            np.testing.assert_array_equal(found[: len(witness[i])], witness[i])
            assert (found[len(witness[i]) :] == witness[i][-1]).all()


@pytest.mark.parametrize("limit", [0, 1 << 40])
def test_pieces_are_all_frames_in_order(folder, utterances, small_shards, limit):
    pieces = list(Store.open(folder, "train", utterances, MFCC(), limit).pieces(50))
    assert max(map(len, pieces)) <= 50 and all(piece.flags.writeable for piece in pieces)
    np.testing.assert_array_equal(np.concatenate(pieces), np.concatenate(expected(utterances, MFCC())))


def test_truncating_a_mapped_shard_is_an_error_and_does_not_kill_the_process(folder, utterances, small_shards):
    """Without the check of its size, the access would raise SIGBUS."""
    kept = Store.open(folder, "train", utterances, MFCC(), limit=0)
    path = sorted(folder.iterdir())[1]
    size = path.stat().st_size
    os.truncate(path, 0)
    message = (
        f"^{path}: was truncated while in use \\(0 bytes instead of {size}\\); run the command again to recompute .*$"
    )
    some = np.array([0, 2])
    read = (lambda: kept.take(some), lambda: kept[2], lambda: list(kept.pieces(9)))
    for use in (*read, lambda: kept.statistics(some), kept.total, kept.sketch):
        with pytest.raises(InputError, match=message):
            use()
    kept.take(np.array([0, 1]))
    again = Store.open(folder, "train", utterances, MFCC(), limit=0)
    np.testing.assert_array_equal(again[2], expected(utterances, MFCC())[2])


def test_a_store_in_memory_does_not_need_its_files(folder, utterances):
    kept = Store.open(folder, "train", utterances, MFCC())
    (path,) = folder.iterdir()
    os.truncate(path, 0)
    np.testing.assert_array_equal(kept.take(np.array([3]))[0], expected(utterances, MFCC())[3])


def test_shards_are_determined_by_the_manifest_and_few(utterances, monkeypatch):
    long = [replace(utterances[0], seconds=1 + i % 7) for i in range(1000)]
    parts = list(store._cut(long, MFCC()))
    assert len(parts) == 1 and parts[0] == long
    monkeypatch.setattr(store, "SHARD", 5200 * 10)  # bytes: ten seconds of 13 coefficients
    parts = list(store._cut(long, MFCC()))
    assert [u for part in parts for u in part] == long
    assert 64 < len(parts) <= store.SHARDS + 1
    monkeypatch.setattr(store, "SHARDS", 1 << 20)
    assert max(sum(u.seconds for u in part) for part in store._cut(long, MFCC())) <= 10 + 7


def test_a_quarter_of_the_memory_is_shared_by_the_processes_of_a_training(monkeypatch):
    whole = store.memory_limit()
    assert 1 << 24 < whole < 1 << 44
    monkeypatch.setattr(store.job, "world", lambda: job.World(local_size=8))
    assert store.memory_limit() == whole // 8


def test_a_store_that_is_deleted_again_and_again_is_an_error(folder, utterances, monkeypatch):
    written = []

    def vanishing(path, results):
        written.append(list(results))

    monkeypatch.setattr(store.shards, "write", vanishing)
    with pytest.raises(
        InputError, match="kept: features of train were deleted while they were computed; choose another"
    ):
        Store.open(folder, "train", utterances, MFCC())
    assert len(written) == store.TRIES


def test_few_results_are_pending_at_a_time(utterances, monkeypatch):
    begun = []

    class Watched(list):
        def __iter__(self):
            for utterance in super().__iter__():
                begun.append(utterance)
                yield utterance

    monkeypatch.setattr(store.os, "cpu_count", lambda: 1)
    results = store._extracted("train", Watched(utterances * 20), 20 * len(utterances), MFCC())
    for i in range(1, 100):
        next(results)
        assert len(begun) <= i + 4
    results.close()


def test_two_processes_may_compute_the_same_store_at_once(folder, utterances, tmp_path):
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
    assert len(list(folder.iterdir())) == store.MAX_STORES


def test_segments_of_one_recording_have_the_features_of_those_samples(utterances, folder):
    features = MFCC()
    long = utterances[3]
    parts = [Utterance(f"p{i}", long.audio, 0.5, start=start) for i, start in enumerate((0.0, 0.25))]
    kept = store.Store.open(folder, "train", parts, features)
    samples, rate = audio.read(long.audio)
    for i, part in enumerate(parts):
        first = round(part.start * rate)
        np.testing.assert_array_equal(kept[i], features(samples[first : first + round(0.5 * rate)]))
    moved = [Utterance(p.id, p.audio, p.seconds, start=p.start + 0.1) for p in parts]
    assert not np.array_equal(store.Store.open(folder, "train", moved, features)[0], kept[0])


def test_a_sketch_tells_another_recording_from_another_rounding(utterances, folder, tmp_path):
    features = MFCC()
    kept = store.Store.open(folder, "train", utterances, features).sketch()

    def rounded(samples):
        return features(samples) * np.float32(1 + 1e-7)

    differently = frozen(features)
    type(differently).__call__ = lambda self, samples: rounded(samples)
    np.testing.assert_allclose(
        store.Store.open(tmp_path / "b", "train", utterances, differently).sketch(), kept, atol=1e-3
    )
    samples, rate = audio.read(utterances[2].audio)
    soundfile.write(utterances[2].audio, samples[::-1], rate)  # the same samples in another order
    changed = store.Store.open(tmp_path / "c", "train", utterances, features).sketch()
    assert np.abs(changed - kept).max() > 0.05
