"""One tiny set of recordings, written in every format that people bring."""

import gzip
import json
import zlib
from typing import NamedTuple

import numpy as np
import soundfile

RATE = 8000
SPEAKERS = ("anna", "ben", "cleo", "dan")


class Said(NamedTuple):
    stem: str
    text: str
    speaker: str
    seconds: float


SET = [
    Said(f"{word}_{speaker}_{take}", word, speaker, 0.3 + 0.05 * i + 0.1 * take)
    for i, speaker in enumerate(SPEAKERS)
    for word in ("yes", "no")
    for take in range(3)
]


def record(path, seconds=0.4, rate=RATE, seed=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(zlib.crc32(path.stem.encode()) if seed is None else seed)
    swell = np.sin(np.linspace(0, np.pi, round(seconds * rate))) ** 2
    soundfile.write(path, 0.1 * swell * generator.standard_normal(len(swell)), rate, subtype="PCM_16", format="WAV")
    return path


def write(path, *lines, encoding="utf-8"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(f"{line}\n" for line in lines).encode(encoding))
    return path


def write_json(path, *rows):
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    path.write_bytes(gzip.compress(lines.encode())) if path.suffix == ".gz" else path.write_text(lines)


def _txt(root):
    for said in SET:
        write(root / f"{said.stem}.txt", said.text)


def _lab(root):
    for said in SET:
        (root / f"{said.stem}.wav").rename(root / f"{said.stem}.WAV")
        write(root / f"{said.stem}.lab", said.text, encoding="utf-8-sig")


def _textgrid(root):
    for said in SET:
        half, end = said.seconds / 2, said.seconds
        write(
            root / f"{said.stem}.TextGrid",
            'File type = "ooTextFile"\nObject class = "TextGrid"\n',
            f"xmin = 0 \nxmax = {end} \ntiers? <exists> \nsize = 1 \nitem []: ",
            '    item [1]:\n        class = "IntervalTier" \n        name = "said" ',
            f"        xmin = 0 \n        xmax = {end} \n        intervals: size = 2 ",
            f"        intervals [1]:\n            xmin = 0 \n            xmax = {half} ",
            f'            text = "{said.text}" ',
            f'        intervals [2]:\n            xmin = {half} \n            xmax = {end} \n            text = "" ',
        )


def _short_textgrid(root):
    for said in SET:
        head = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "0", f"{said.seconds}", "<exists>", "1"]
        tier = ['"IntervalTier"', '"words"', "0", f"{said.seconds}", "1", "0", f"{said.seconds}", f'"{said.text}"']
        write(root / f"{said.stem}.TextGrid", *head, *tier, encoding="utf-16")


def _audiofolder(root):
    _into(root, "data")
    rows = [f'data/{said.stem}.wav,"{said.text}",{said.speaker}' for said in SET]
    write(root / "metadata.csv", "file_name,transcription,speaker_id", *rows)


def _audiofolder_json(root):
    rows = [{"file_name": f"{s.stem}.wav", "transcription": s.text, "speaker": s.speaker} for s in SET]
    write_json(root / "metadata.jsonl", *rows)


def _ljspeech(root):
    _into(root, "wavs")
    write(root / "metadata.csv", *(f'{said.stem}|"{said.text.upper()}!|{said.text}' for said in SET))


def _common_voice(root):
    _into(root, "clips")
    header = "client_id\tpath\tsentence_id\tsentence\tup_votes"
    write(root / "validated.tsv", header, *(f"{s.speaker}\t{s.stem}.wav\t17\t{s.text}\t2" for s in SET))
    write(root / "other.tsv", header, 'eve\tgone.wav\t18\tan "open quote\t0')


def _speechbrain(root):
    rows = [f"{s.stem},{s.seconds:.3f},{root}/{s.stem}.wav,{s.speaker},{s.text}" for s in SET]
    write(root / "all.csv", "ID,duration,wav,spk_id,wrd", *rows)


def _semicolons(root):
    rows = [f"{s.stem}.wav;{s.seconds:.2f}".replace(".", ",").replace(",wav", ".wav") for s in SET]
    write(root / "list.csv", "File;Duration;Speaker;Text", *(f"{r};{s.speaker};{s.text}" for r, s in zip(rows, SET)))  # noqa: B905


def _nemo(root):
    rows = [{"audio_filepath": f"{s.stem}.wav", "duration": s.seconds, "text": s.text} for s in SET]
    write_json(root / "manifest.json", *(row | {"speaker": s.speaker} for row, s in zip(rows, SET, strict=True)))


def _transcripts(root):
    _into(root, "wav")
    write(root / "transcripts.txt", *(f"{said.stem}\t{said.text}" for said in SET))


def _librispeech(root):
    for said in SET:
        folder = root / said.speaker / "7"
        folder.mkdir(parents=True, exist_ok=True)
        (root / f"{said.stem}.wav").rename(folder / f"{said.stem}.wav")
    for speaker in SPEAKERS:
        lines = [f"{said.stem} {said.text}" for said in SET if said.speaker == speaker]
        write(root / speaker / "7" / f"{speaker}-7.trans.txt", *lines)


def _kaldi(root):
    _into(root, "audio")
    write(root / "data/all/wav.scp", *(f"{s.stem} audio/{s.stem}.wav" for s in SET))
    write(root / "data/all/text", *(f"{s.stem} {s.text}" for s in SET))
    write(root / "data/all/utt2spk", *(f"{s.stem} {s.speaker}" for s in SET))


def _kaldi_segments(root):
    write(root / "wav.scp", *(f"rec-{s.stem} {s.stem}.wav" for s in SET))
    write(root / "segments", *(f"{s.stem} rec-{s.stem} 0.00 -1" for s in SET))
    write(root / "text", *(f"{s.stem} {s.text}" for s in SET))
    write(root / "utt2spk", *(f"{s.stem} {s.speaker}" for s in SET))


def _recording(said):
    source = {"type": "file", "channels": [0], "source": f"{said.stem}.wav"}
    samples = round(said.seconds * RATE)
    facts = {"sampling_rate": RATE, "num_samples": samples, "duration": samples / RATE}
    return {"id": f"rec-{said.stem}", "sources": [source], **facts}


def _supervision(said):
    return {
        "id": said.stem,
        "recording_id": f"rec-{said.stem}",
        **{"start": 0.0, "duration": said.seconds, "channel": 0, "text": said.text, "speaker": said.speaker},
    }


def _lhotse(root):
    write_json(root / "mine_recordings_all.jsonl.gz", *map(_recording, SET))
    write_json(root / "mine_supervisions_all.jsonl.gz", *map(_supervision, SET))


def _lhotse_cuts(root):
    cut = {"start": 0, "channel": 0, "type": "MonoCut"}
    rows = [
        cut | {"id": s.stem, "duration": s.seconds, "supervisions": [_supervision(s)], "recording": _recording(s)}
        for s in SET
    ]
    write_json(root / "cuts.jsonl", *rows)


def _audacity(root):
    for said in SET:
        write(root / f"{said.stem}.txt", f"{0:.6f}\t{said.seconds:.6f}\t{said.text}".replace(".", ","))


def _srt(root):
    for said in SET:
        write(root / f"{said.stem}.srt", "1", f"00:00:00,000 --> 00:00:00,{said.seconds * 1000:.0f}", said.text, "")


def _vtt(root):
    for said in SET:
        times = f"00:00.000 --> 00:00.{said.seconds * 1000:.0f} align:start"
        write(root / f"{said.stem}.vtt", "WEBVTT", "", times, f"<v {said.speaker}>{said.text}</v>", "")


def _ctm(root):
    write(root / "all.ctm", ";; words", *(f"{s.stem} 1 0.10 0.15 {s.text} 0.98" for s in SET))


def _stm(root):
    write(root / "all.stm", *(f"{s.stem} 1 {s.speaker} 0.0 {s.seconds:.3f} <o,f0> {s.text}" for s in SET))


def _names(root):
    pass


def _classes(root):
    for said in SET:
        (root / said.text).mkdir(exist_ok=True)
        (root / f"{said.stem}.wav").rename(root / said.text / f"{said.stem}.wav")
    record(root / "_background_noise_" / "hum.wav")


def _own(root):
    rows = [{"id": s.stem, "audio": f"{s.stem}.wav", "seconds": s.seconds, "speaker": s.speaker} for s in SET]
    write_json(root / "mine.jsonl", *(row | {"text": s.text} for row, s in zip(rows, SET, strict=True)))


def _into(root, name):
    (root / name).mkdir()
    for said in SET:
        (root / f"{said.stem}.wav").rename(root / name / f"{said.stem}.wav")


class Format(NamedTuple):
    importer: str
    write: object
    pattern: str | None = None


BY_NAME = "*_{speaker}_*"
FORMATS = {
    "same-named .txt": Format("pairs", _txt, BY_NAME),
    "same-named .lab with a byte-order mark": Format("pairs", _lab, BY_NAME),
    "same-named TextGrid": Format("pairs", _textgrid, BY_NAME),
    "short TextGrid in UTF-16": Format("pairs", _short_textgrid, BY_NAME),
    "audiofolder's metadata.csv": Format("table", _audiofolder),
    "audiofolder's metadata.jsonl": Format("jsonl", _audiofolder_json),
    "LJSpeech": Format("table", _ljspeech, BY_NAME),
    "Common Voice": Format("table", _common_voice),
    "SpeechBrain's csv": Format("table", _speechbrain),
    "semicolons and decimal commas": Format("table", _semicolons),
    "NeMo's manifest": Format("jsonl", _nemo),
    "our manifest": Format("jsonl", _own),
    "one text file": Format("text", _transcripts, BY_NAME),
    "LibriSpeech's .trans.txt": Format("text", _librispeech),
    "Kaldi": Format("kaldi", _kaldi),
    "Kaldi with segments": Format("kaldi", _kaldi_segments),
    "lhotse's supervisions": Format("lhotse", _lhotse),
    "lhotse's cuts": Format("lhotse", _lhotse_cuts),
    "Audacity's labels": Format("labels", _audacity, BY_NAME),
    "SRT": Format("labels", _srt, BY_NAME),
    "VTT with voices": Format("labels", _vtt),
    "CTM": Format("labels", _ctm, BY_NAME),
    "STM": Format("labels", _stm),
    "names": Format("names", _names),
    "a folder per word": Format("classes", _classes, BY_NAME),
}
