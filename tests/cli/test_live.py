"""`asr transcribe` of live audio, and of single channels."""

import queue
import subprocess
import sys
from contextlib import nullcontext

import numpy as np
import pytest
import soundfile

from asr import cli
from asr.box import FILE


@pytest.fixture(scope="module")
def samples():
    """A second of noise, half a second of quiet, a second of noise."""
    generator = np.random.default_rng(1)
    loud = np.repeat([0.1, 0.0, 0.1], [16_000, 16_000, 16_000])
    return (32_768 * (loud + 1e-4) * generator.standard_normal(len(loud))).clip(-32_768, 32_767).astype(np.int16)


def run(monkeypatch, capsys, *words):
    """Run `asr transcribe` here; return its exit status, output and errors."""
    monkeypatch.setattr(sys, "argv", ["asr", "transcribe", "--bundle", str(FILE), *words])
    status = 0
    try:
        cli.main()
    except SystemExit as end:
        status = end.code
    out, err = capsys.readouterr()
    return status, out, err


def test_raw_audio_is_transcribed_as_it_arrives(samples):
    """The first line is there before the audio ends."""
    command = [sys.executable, "-m", "asr", "transcribe", "--bundle", str(FILE), "--rate", "16000", "--json", "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdin.write(samples[:40_001].tobytes()[:-1])
        process.stdin.flush()
        first = process.stdout.readline()
        rest, err = process.communicate(samples[40_001:].tobytes(), timeout=60)
    assert process.returncode == 0, err
    assert b'"audio": "-"' in first and rest.count(b"\n") >= 1


class Microphone:
    """What `sounddevice` offers, with a recording in the place of a microphone; Ctrl-C when it is over."""

    PortAudioError = type("PortAudioError", (Exception,), {})

    def __init__(self, samples, fault=None):
        self.samples, self.fault = samples, fault

    def query_devices(self, kind):
        if self.fault:
            raise self.fault
        return {"default_samplerate": 16_000.0}

    def RawInputStream(self, samplerate, blocksize, channels, dtype, callback):  # noqa: N802
        assert (samplerate, channels, dtype) == (16_000, 1, "int16")
        for block in np.array_split(self.samples, len(self.samples) // blocksize):
            callback(block.tobytes(), len(block), None, None)
        return nullcontext()


def test_the_microphone_is_transcribed_until_it_is_interrupted(monkeypatch, capsys, samples):
    class Ending(queue.SimpleQueue):
        def get(self):
            if self.empty():
                raise KeyboardInterrupt
            return super().get()

    monkeypatch.setitem(sys.modules, "sounddevice", Microphone(samples))
    monkeypatch.setattr("asr.cli.live.queue.SimpleQueue", Ending)
    status, out, err = run(monkeypatch, capsys, "--microphone")
    assert status == 0 and len(out.splitlines()) >= 2 and "listening at 16000 Hz" in err


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (None, "asr: --microphone: needs sounddevice; pip install 'asr[microphone]'\n"),
        (
            Microphone(None, ValueError("No input device matching ''")),
            "asr: --microphone: No input device matching ''; connect one, or pipe raw audio into "
            "`asr transcribe - --rate 16000`\n",
        ),
    ],
    ids=["not-installed", "no-device"],
)
def test_without_a_microphone_one_line_says_so(monkeypatch, capsys, module, message):
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    status, out, err = run(monkeypatch, capsys, "--microphone")
    assert status in (2, 4) and out == "" and err.endswith(message)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--rate", "16000", "one.wav"],
            "asr: --rate: is for live audio, which has no files, --output-dir, --resume, --speakers, --shard or "
            "--channels; pass - for standard input, and omit them",
        ),
        (["--microphone", "-"], "asr: --microphone: is for live audio, which has no files"),
        (["--rate", "16000", "-", "--output-dir", "out"], "asr: --rate: is for live audio, which has no files"),
        (["--rate", "16000", "-", "--format", "srt"], "asr: --format srt: is for whole recordings"),
        (["--rate", "10", "-"], "asr: -: rate is 10 Hz; 4000 to 384000 Hz are supported"),
        (["--channels", "split", "no.jsonl"], "asr: no.jsonl: "),
        (["--channels", "split", "--speakers", "*", "a.wav"], "asr: --speakers *: one channel is one speaker"),
        (["--speakers", "", "a.wav"], "asr: --speakers '': names nobody; pass '*'"),
    ],
    ids=["file", "both", "folder", "format", "rate", "manifest", "speakers", "nobody"],
)
def test_options_that_do_not_go_together_are_refused(monkeypatch, capsys, words, message):
    status, out, err = run(monkeypatch, capsys, *words)
    assert status in (2, 4) and out == "" and err.splitlines()[-1].startswith(message)


def test_each_channel_has_its_own_line_and_file(monkeypatch, capsys, samples, tmp_path):
    one, two = tmp_path / "call.wav", tmp_path / "note.wav"
    soundfile.write(one, np.stack([samples, samples[::-1]], axis=1), 16_000)
    soundfile.write(two, samples, 16_000)
    _, out, _ = run(monkeypatch, capsys, "--channels", "split", str(one), str(two))
    names, texts = zip(*(line.split("\t") for line in out.splitlines()), strict=True)
    assert names == (f"{one}#1", f"{one}#2", str(two))
    assert texts[0] == texts[2] != texts[1]
    run(
        monkeypatch,
        capsys,
        "--channels",
        "split",
        str(one),
        str(two),
        "--format",
        "trn",
        "--output-dir",
        f"{tmp_path}/o",
    )
    written = {path.name: path.read_text().split("(")[-1] for path in (tmp_path / "o").glob("*.trn")}
    assert written == {"call.wav.1.trn": "call-1)\n", "call.wav.2.trn": "call-2)\n", "note.wav.trn": "note)\n"}
