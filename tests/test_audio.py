import io
import os
import re
import threading

import numpy as np
import pytest
import soundfile

from asr import audio
from asr.audio import mpeg
from asr.errors import InputError

RATE = 16_000
CONTAINERS = {
    "wav": ("WAV", "PCM_16"),
    "24.wav": ("WAV", "PCM_24"),
    "float.wav": ("WAV", "FLOAT"),
    "flac": ("FLAC", "PCM_16"),
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "aiff": ("AIFF", "PCM_16"),
    "sph": ("NIST", "PCM_16"),
}


def tone(frequency=1000.0, rate=RATE, seconds=0.5, level=0.5):
    return (level * np.sin(2 * np.pi * frequency * np.arange(int(rate * seconds)) / rate)).astype(np.float32)


def write(path, samples, rate=RATE, container="WAV", subtype="PCM_16"):
    soundfile.write(path, samples, rate, format=container, subtype=subtype)
    return path


def patched(path, offset, content):
    """Write other bytes over a file's."""
    data = bytearray(path.read_bytes())
    data[offset : offset + len(content)] = content
    path.write_bytes(data)
    return path


def without_length(path):
    """Make a FLAC's STREAMINFO announce 0 samples, which stands for 'not known'; 36 bits from byte 21½ on."""
    data = path.read_bytes()
    return patched(path, 21, bytes([data[21] & 0xF0, 0, 0, 0, 0]))


def refused(source, message):
    """Assert that a source is refused in one line that begins with its name."""
    name = re.escape(str(source))
    with pytest.raises(InputError, match=f"^{name}: {message}") as caught:
        audio.read(source)
    assert "\n" not in str(caught.value) and ";" in str(caught.value)


@pytest.mark.parametrize("ending", CONTAINERS)
def test_every_format_is_read_at_its_rate_and_level(tmp_path, ending):
    path = write(tmp_path / f"tone.{ending}", tone(), RATE, *CONTAINERS[ending])
    samples, rate = audio.read(path)
    assert rate == RATE and samples.dtype == np.float32 and len(samples) == len(tone())
    inside = slice(1000, -1000)  # lossy formats ring at the ends
    tolerance = 1e-4 if ending in ("wav", "24.wav", "float.wav", "flac", "aiff", "sph") else 0.06
    np.testing.assert_allclose(samples[inside], tone()[inside], atol=tolerance)


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "mp3", "aiff", "sph"])
def test_bytes_in_memory_are_read_as_the_file_is(tmp_path, ending):
    path = write(tmp_path / f"tone.{ending}", tone(), RATE, *CONTAINERS[ending])
    from_memory, rate = audio.read(io.BytesIO(path.read_bytes()))
    np.testing.assert_array_equal(from_memory, audio.read(path)[0])
    assert rate == RATE


def test_an_open_file_is_read_and_named(tmp_path):
    path = write(tmp_path / "tone.wav", tone())
    with open(path, "rb") as file:
        np.testing.assert_array_equal(audio.read(file)[0], audio.read(path)[0])
    (tmp_path / "text.wav").write_text("hello")
    with open(tmp_path / "text.wav", "rb") as file, pytest.raises(InputError, match=r"text\.wav: is not audio"):
        audio.read(file)


@pytest.mark.parametrize("channels", [1, 2, 3, 32])
def test_channels_are_averaged(tmp_path, channels):
    many = np.random.default_rng(0).uniform(-1, 1, (3000, channels)).astype(np.float32)
    samples, _ = audio.read(write(tmp_path / "many.wav", many, subtype="FLOAT"))
    np.testing.assert_allclose(samples, many.mean(axis=1), atol=1e-6)


def test_a_recording_of_many_blocks_comes_back_whole(tmp_path):
    long = np.random.default_rng(0).uniform(-1, 1, (3 * audio.BLOCK // 2 + 7, 2)).astype(np.float32)
    samples, _ = audio.read(write(tmp_path / "long.wav", long, subtype="FLOAT"))
    np.testing.assert_allclose(samples, long.mean(axis=1), atol=1e-6)


@pytest.mark.parametrize("samples", [1000, 40_000, audio.BLOCK, audio.BLOCK + 1])
def test_a_flac_that_does_not_say_how_long_it_is_is_read_whole(tmp_path, samples):
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, samples).astype(np.float32)
    path = write(tmp_path / "stream.flac", noise, container="FLAC")
    wanted, _ = audio.read(path)
    without_length(path)
    with soundfile.SoundFile(path) as file:
        assert file.frames == np.iinfo(np.int64).max  # what makes soundfile.read fail
    np.testing.assert_array_equal(audio.read(path)[0], wanted)
    np.testing.assert_array_equal(audio.read(io.BytesIO(path.read_bytes()))[0], wanted)


def test_a_flac_that_does_not_say_how_long_it_is_may_not_go_on_forever(tmp_path, monkeypatch):
    path = without_length(write(tmp_path / "stream.flac", tone(seconds=2), container="FLAC"))
    monkeypatch.setattr(audio.soundfiles, "MAX_SECONDS", 1.0)
    refused(path, "is longer than 24 hours; .*cut it")


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    refused(tmp_path / "none.wav", "no such file; pass an audio file")
    refused(tmp_path, "is a directory; pass an audio file")


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "empty.wav").touch()
    refused(tmp_path / "empty.wav", "is empty; copy it again")
    with pytest.raises(InputError, match="^<audio>: is empty; copy it again"):
        audio.read(io.BytesIO(b""))


def test_a_file_without_samples_is_refused(tmp_path):
    refused(write(tmp_path / "none.wav", np.zeros(0, np.float32)), "contains no samples; record it again")


@pytest.mark.parametrize(
    "content", [b"hello, this is text\n" * 100, b"\x00" * 5000, b"RIFF\x24\x00\x00\x00WAVE", b"fLaC"]
)
def test_what_is_no_audio_is_refused(tmp_path, content):
    (tmp_path / "no.wav").write_bytes(content)
    refused(tmp_path / "no.wav", r"is not audio that libsndfile reads \(.+\); convert it to WAV or FLAC")


def test_sphere_compressed_with_shorten_names_its_remedy(tmp_path):
    header = "NIST_1A\n   1024\nsample_count -i 1600\nsample_coding -s26 pcm,embedded-shorten-v2.00\nend_head\n"
    (tmp_path / "si1573.wav").write_bytes(header.encode().ljust(1024) + b"ajkg" + bytes(500))
    refused(tmp_path / "si1573.wav", "is SPHERE compressed with shorten, .*; unpack it with `sph2pipe -f wav`")


def test_a_file_that_may_not_be_read_is_refused(tmp_path, monkeypatch):
    path = write(tmp_path / "secret.wav", tone())

    def denied(_source):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(audio, "_opened", denied)
    refused(path, r"cannot be read \(Permission denied\); check its permissions")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_sample_that_is_no_number_is_refused_and_located(tmp_path, value, channels):
    samples = np.zeros((2000, channels), np.float32)
    samples[778, 0] = value
    path = write(tmp_path / "nan.wav", samples, subtype="FLOAT")
    refused(path, f"sample 778 is {value}, not finite; write the file again")


@pytest.mark.parametrize("rate", [1, 3999, 384_001, 1_000_000_000, 1_400_000_000])
def test_an_absurd_rate_is_refused(tmp_path, rate):
    path = patched(write(tmp_path / "rate.wav", tone()), 24, rate.to_bytes(4, "little"))
    refused(path, f"header gives {rate} Hz; supported: 4000 to 384000 Hz")


@pytest.mark.parametrize("channels", [33, 1024])
def test_absurdly_many_channels_are_refused(tmp_path, channels):
    path = write(tmp_path / "many.wav", np.zeros((10, channels), np.float32))
    refused(path, f"header gives {channels} channels; supported: 1 to 32")


def test_an_absurd_duration_is_refused_before_it_is_read(tmp_path, monkeypatch):
    path = write(tmp_path / "long.wav", tone(seconds=2))
    monkeypatch.setattr(audio.soundfiles, "MAX_SECONDS", 1.0)
    refused(path, "header gives 0 hours; at most 24 are read at once, cut it")


@pytest.mark.parametrize("ending", ["wav", "24.wav", "float.wav", "aiff", "sph", "mp3", "flac"])
def test_a_file_cut_short_is_refused(tmp_path, ending, capfd):
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 40_000).astype(np.float32)
    path = write(tmp_path / f"cut.{ending}", noise, RATE, *CONTAINERS[ending])
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    refused(
        path,
        r"(contains only \d+ of the \d+ (samples|bytes of audio|MPEG frames) its header gives; copy"
        r"|is not audio .*lost sync)",
    )
    capfd.readouterr()  # mpg123 grumbles on its own


@pytest.mark.parametrize(
    ("container", "what"), [("WAV", "1556 of the 3200 bytes of audio"), ("NIST", "778 of the 1600 samples")]
)
def test_778_of_1600_samples_are_not_enough(tmp_path, container, what):
    path = write(tmp_path / "cut.wav", tone(seconds=0.1), container=container)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) - 2 * (1600 - 778)])
    refused(path, f"contains only {what} its header gives; copy it again")


@pytest.mark.parametrize("size", [0x7FFF_F000, 0x8000_0000, 0xFFFF_FFFF])
def test_a_wav_written_to_a_pipe_before_its_length_was_known_is_read(tmp_path, size):
    path = write(tmp_path / "pipe.wav", tone())
    offset = path.read_bytes().index(b"data") + 4
    patched(patched(path, offset, size.to_bytes(4, "little")), 4, size.to_bytes(4, "little"))
    np.testing.assert_allclose(audio.read(path)[0], tone(), atol=1e-4)


def test_a_missing_byte_of_padding_is_forgiven(tmp_path):
    path = write(tmp_path / "odd.wav", tone(), subtype="PCM_U8")
    data = path.read_bytes()
    patched(path, data.index(b"data") + 4, (len(tone()) + 1).to_bytes(4, "little"))
    assert len(audio.read(path)[0]) == len(tone())


def level_and_frequency(samples, rate):
    """Return the level and the frequency of the loudest tone inside, by the peak of a windowed Fourier transform."""
    inside = samples[len(samples) // 4 : -len(samples) // 4]
    window = np.hanning(len(inside))
    points = 1 << 20
    spectrum = np.abs(np.fft.rfft(inside * window, points))
    peak = spectrum.argmax()
    return 2 * spectrum[peak] / window.sum(), peak * rate / points


@pytest.mark.parametrize("rate", [8000, 11_025, 16_001, 22_050, 44_100, 48_000])
def test_resampling_keeps_a_tones_frequency_and_level(rate):
    resampled = audio.resample(tone(rate=rate), rate, RATE)
    assert resampled.dtype == np.float32 and abs(len(resampled) - RATE // 2) <= 1
    level, frequency = level_and_frequency(resampled, RATE)
    assert level == pytest.approx(0.5, abs=1e-3) and frequency == pytest.approx(1000, abs=0.5)


def test_resampling_is_the_sine_sampled_at_the_other_rate():
    resampled = audio.resample(tone(rate=44_100), 44_100, RATE)
    np.testing.assert_allclose(resampled[500:-500], tone()[500 : len(resampled) - 500], atol=1e-3)


def test_what_the_lower_rate_cannot_hold_is_taken_out():
    assert np.abs(audio.resample(tone(12_000.0, rate=48_000), 48_000, RATE)[500:-500]).max() < 1e-3


def test_the_wanted_rate_is_left_alone():
    samples = tone()
    assert audio.resample(samples, RATE, RATE) is samples


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "aiff", "sph"])
@pytest.mark.parametrize("start", [0.0, 0.1, 0.25])
def test_a_segment_is_that_part_of_the_whole(tmp_path, ending, start):
    path = write(tmp_path / f"tone.{ending}", tone(), RATE, *CONTAINERS[ending])
    whole, _ = audio.read(path)
    first, last = round(start * RATE), round((start + 0.2) * RATE)
    np.testing.assert_allclose(audio.read(path, start, 0.2)[0], whole[first:last], atol=1e-4)
    np.testing.assert_allclose(audio.read(path, start)[0], whole[first:], atol=1e-4)


def test_a_segment_of_a_recording_that_announces_no_length_is_cut_from_the_whole(tmp_path):
    path = write(tmp_path / "tone.flac", tone(), container="FLAC")
    wanted = audio.read(path, 0.1, 0.2)[0]
    without_length(path)
    np.testing.assert_array_equal(audio.read(path, 0.1, 0.2)[0], wanted)


@pytest.mark.parametrize(("start", "seconds"), [(1e3, 0.1), (0.0, 1e3), (1e3, None)])
def test_a_segment_beyond_the_end_is_refused(tmp_path, start, seconds):
    path = write(tmp_path / "tone.wav", tone())
    with pytest.raises(audio.TruncatedError, match=r"tone.wav: ends before the segment at .* s; correct"):
        audio.read(path, start, seconds)


def encoded(samples, container, subtype, **options):
    file = io.BytesIO()
    soundfile.write(file, samples, RATE, format=container, subtype=subtype, **options)
    return file.getvalue()


def mp3(samples, mode="VARIABLE"):
    return encoded(samples, "MP3", "MPEG_LAYER_III", bitrate_mode=mode, compression_level=0.5)


def without_tag(data):
    """Cut off the first MPEG frame, in which an encoder counts the others."""
    return data[next(iter(mpeg._frames(data))).end :]


LOUD = np.random.default_rng(1).normal(0, 0.2, 3 * RATE).astype(np.float32)
QUIET = np.zeros(4 * RATE, np.float32)
DELAY = 4 * 576  # samples of padding, at most, that an MP3 without a tag keeps


@pytest.mark.parametrize("mode", ["VARIABLE", "CONSTANT"])
@pytest.mark.parametrize("samples", [LOUD, np.concatenate([LOUD, QUIET]), np.concatenate([QUIET, LOUD])])
def test_an_mp3_that_does_not_count_its_frames_is_read_whole(tmp_path, samples, mode):
    (tmp_path / "a.mp3").write_bytes(without_tag(mp3(samples, mode)))
    found, _ = audio.read(tmp_path / "a.mp3")
    assert 0 <= len(found) - len(samples) <= DELAY
    np.testing.assert_array_equal(audio.read(io.BytesIO((tmp_path / "a.mp3").read_bytes()))[0], found)


def test_joined_mp3s_are_read_to_the_end_of_the_last():
    one, two = mp3(LOUD), mp3(QUIET[:RATE])
    id3 = b"ID3\x04\x00\x00\x00\x00\x01\x02" + bytes(130)
    apart = np.concatenate([audio.read(io.BytesIO(one))[0], audio.read(io.BytesIO(two))[0]])
    for data in (one + two, id3 + one + b"TAG".ljust(128) + two):
        np.testing.assert_array_equal(audio.read(io.BytesIO(data))[0], apart)
    found, _ = audio.read(io.BytesIO(one + without_tag(two)))
    assert 0 <= len(found) - len(apart) <= DELAY


@pytest.mark.parametrize(("container", "subtype"), [("OGG", "VORBIS"), ("OGG", "OPUS"), ("FLAC", "PCM_16")])
def test_joined_files_are_read_to_the_end_of_the_last(container, subtype):
    parts = [encoded(samples, container, subtype) for samples in (LOUD, QUIET[:RATE], LOUD[:999])]
    apart = np.concatenate([audio.read(io.BytesIO(part))[0] for part in parts])
    np.testing.assert_array_equal(audio.read(io.BytesIO(b"".join(parts)))[0], apart)


def test_joined_files_of_two_rates_are_refused(tmp_path):
    other = io.BytesIO()
    soundfile.write(other, LOUD, 8000, format="FLAC")
    (tmp_path / "j.flac").write_bytes(encoded(LOUD, "FLAC", "PCM_16") + other.getvalue())
    refused(tmp_path / "j.flac", "joins recordings of 16000 and 8000 Hz; convert them first")


@pytest.mark.parametrize(
    ("container", "subtype"),
    [("RF64", "PCM_16"), ("W64", "PCM_16"), ("AU", "PCM_16"), ("VOC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS")],
)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.99])
def test_a_file_cut_short_is_refused_wherever_its_container_can_tell(tmp_path, container, subtype, share):
    data = encoded(LOUD, container, subtype)
    (tmp_path / "whole").write_bytes(data)
    assert len(audio.read(tmp_path / "whole")[0]) == len(LOUD)
    (tmp_path / "cut").write_bytes(data[: int(len(data) * share)])
    with pytest.raises(InputError, match="contains only .*; copy it again|not audio .*malformed"):
        audio.read(tmp_path / "cut")


def test_an_ogg_that_ends_between_two_pages_is_cut_short_too(tmp_path):
    data = encoded(LOUD, "OGG", "VORBIS")
    (tmp_path / "cut").write_bytes(data[: data.rindex(b"OggS")])
    refused(tmp_path / "cut", "contains only a part of its audio, the end is missing; copy it again")


@pytest.mark.parametrize("sizes", [(0, 0), (36, 0), (None, 0), (0xFFFFFFFF, 0xFFFFFFFF), (0, 0x7FFF_F000)])
@pytest.mark.parametrize("extra", [b"", b"LIST\x05\x00\x00\x00abcde\x00"])
def test_a_wav_whose_header_was_never_finished_is_read_with_one_warning(tmp_path, caplog, sizes, extra):
    data = encoded(LOUD, "WAV", "PCM_16")
    data = bytearray(data[:36] + extra + data[36:])
    riff, size = (len(data) - 8 if value is None else value for value in sizes)
    at = data.index(b"data") + 4
    data[4:8], data[at : at + 4] = riff.to_bytes(4, "little"), size.to_bytes(4, "little")
    (tmp_path / "crash.wav").write_bytes(data)
    for source in (tmp_path / "crash.wav", io.BytesIO(data)):
        caplog.clear()
        np.testing.assert_allclose(audio.read(source)[0], LOUD.clip(-1, 1), atol=1e-4)
        (record,) = caplog.records
        assert record.name == "asr.audio" and "so was never finished; read to the end of the file" in record.message


def test_a_finished_wav_without_samples_is_empty_whatever_follows(tmp_path, caplog):
    data = bytearray(encoded(np.zeros(0, np.float32), "WAV", "PCM_16")) + b"LIST\x04\x00\x00\x00abcd"
    data[4:8] = (len(data) - 8).to_bytes(4, "little")
    (tmp_path / "none.wav").write_bytes(data)
    refused(tmp_path / "none.wav", "contains no samples")
    assert not caplog.records


@pytest.mark.parametrize("name", ["a.raw", "a.wav\n", "\udce9.wav", "a"])
def test_a_name_does_not_decide_whether_a_file_is_read(tmp_path, name):
    (tmp_path / name).write_bytes(encoded(LOUD, "WAV", "PCM_16"))
    assert len(audio.read(tmp_path / name)[0]) == len(LOUD)
    (tmp_path / name).write_bytes(bytes(999))
    with pytest.raises(InputError, match="is not audio that libsndfile reads"):
        audio.read(tmp_path / name)


def test_a_pipe_is_read_to_its_end(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=[encoded(LOUD, "FLAC", "PCM_16")])
    writer.start()
    assert len(audio.read(tmp_path / "pipe")[0]) == len(LOUD)
    writer.join()


def test_infinities_that_cancel_are_refused_without_a_warning(tmp_path):
    samples = np.zeros((100, 2), np.float32)
    samples[7] = np.inf, -np.inf
    refused(write(tmp_path / "inf.wav", samples, subtype="FLOAT"), "sample 7 is nan, not finite")


@pytest.mark.parametrize("kind", ["mp3", "ogg", "flac", "joined.mp3", "joined.ogg", "joined.flac", "untagged.mp3"])
def test_of_large_files_a_block_is_in_memory(tmp_path, monkeypatch, kind):
    """They are read as small ones are."""
    samples = np.random.default_rng(2).uniform(-0.5, 0.5, 60_000).astype(np.float32)
    one, path = tmp_path / f"one.{kind.split('.')[-1]}", tmp_path / kind
    soundfile.write(one, samples, 16_000)
    data = without_tag(one.read_bytes()) if kind == "untagged.mp3" else one.read_bytes()
    path.write_bytes(data * 2 if kind.startswith("joined") else data)
    small = audio.read(path)[0]
    monkeypatch.setattr(audio.containers, "LARGE", 1)
    monkeypatch.setattr(audio.sections, "BLOCK", 256)
    np.testing.assert_array_equal(audio.read(path)[0], small)
    assert abs(len(small) - 60_000 * (1 + kind.startswith("joined"))) < 4000
