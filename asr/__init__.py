"""End-to-end speech recognition: a bidirectional LSTM trained with CTC.

>>> import asr
>>> recognizer = asr.load("runs/espeak")
>>> print(recognizer.transcribe("one.wav"))
abcd

`import asr` imports none of its modules: a name is resolved when it is first used. What is not named here is imported
from its module: `from asr import manifest`.
"""

TYPE_CHECKING = False  # as type checkers know it; importing typing would take most of the time
if TYPE_CHECKING:
    from asr.bundle import Bundle
    from asr.ctc import align as forced_align
    from asr.ctc import loss as ctc_loss
    from asr.decoders import Beam, Greedy, Lexicon
    from asr.errors import AsrError
    from asr.features import MFCC, Fbank
    from asr.formats import Transcript
    from asr.manifest import Segment
    from asr.recognize import Recognizer, load
    from asr.scoring.score import Score, score
    from asr.training import train

    __version__: str

__all__ = [
    "MFCC",
    "AsrError",
    "Beam",
    "Bundle",
    "Fbank",
    "Greedy",
    "Lexicon",
    "Recognizer",
    "Score",
    "Segment",
    "Transcript",
    "__version__",
    "ctc_loss",
    "forced_align",
    "load",
    "score",
    "train",
]

# Module → the names in it; what is called otherwise there is renamed below.
_PUBLIC = {
    "bundle": ("Bundle",),
    "ctc": ("ctc_loss", "forced_align"),
    "decoders": ("Beam", "Greedy", "Lexicon"),
    "errors": ("AsrError",),
    "features": ("MFCC", "Fbank"),
    "formats": ("Transcript",),
    "manifest": ("Segment",),
    "recognize": ("Recognizer", "load"),
    "scoring.score": ("Score", "score"),
    "training": ("train",),
}
_RENAMED = {"ctc_loss": "loss", "forced_align": "align"}


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name == "__version__":
        from importlib.metadata import version

        return version("asr")
    for module, names in _PUBLIC.items():
        if name in names:
            value: object = getattr(import_module(f"asr.{module}"), _RENAMED.get(name, name))
            return value
    raise AttributeError(f"module 'asr' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
