"""Make the three recordings of data/tiny and their manifest: `python data/tiny/make.py`, with the `synth` extra."""

from pathlib import Path

import soundfile

from asr import manifest
from asr.corpora import timit
from asr.corpora.espeak import RATE, SEED, record
from asr.corpora.espeak_speakers import speakers
from asr.corpora.espeak_tree import spans
from asr.manifest import Segment, Utterance
from asr.support.seeds import generator

HERE = Path(__file__).parent
SENTENCES = {
    "one": "She had your dark suit in greasy wash water all year.",  # what this project's ancestor learned by heart
    "two": "The judge measured a narrow bridge near the harbor.",
    "three": "Young sailors enjoy hot coffee, and thick soup.",
}


def utterance(name: str, sentence: str, place: int) -> Utterance:
    """Record one sentence by one of the test voices and return its manifest entry."""
    speaker = speakers(SEED)["test"][3 * place]
    samples, phones = record(sentence, speaker, generator(SEED, "tiny", place))
    soundfile.write(HERE / f"{name}.wav", samples, RATE, subtype="PCM_16")
    return Utterance(
        id=name,
        audio=HERE / f"{name}.wav",
        seconds=len(samples) / RATE,
        speaker=speaker.id,
        text=sentence,
        phones=tuple(Segment(p.symbol, p.start / RATE, p.end / RATE) for p in phones),
        words=tuple(Segment(w, ps[0].start / RATE, ps[-1].end / RATE) for w, ps in spans(sentence, phones)),
    )


if __name__ == "__main__":
    assert RATE == timit.RATE
    manifest.write(
        HERE / "tiny.jsonl", [utterance(name, said, place) for place, (name, said) in enumerate(SENTENCES.items())]
    )
