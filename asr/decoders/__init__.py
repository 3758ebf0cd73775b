"""Decoders: log-probs in, hypotheses out. A new one is a file here and a line in the table.

An entry of the table is a frozen dataclass of the decoder's settings, with a method `build(units)` that returns the
decoder. See `asr.decoders.hypothesis.DecoderSettings`.
"""

from asr.decoders.beam import Beam
from asr.decoders.greedy import Greedy
from asr.decoders.hypothesis import Decoder, DecoderSettings, Hypothesis, collapse
from asr.decoders.lexicon import Lexicon
from asr.decoders.search import Search

DECODERS: dict[str, type[DecoderSettings]] = {"greedy": Greedy, "beam": Beam, "lexicon": Lexicon}

__all__ = ["DECODERS", "Beam", "Decoder", "DecoderSettings", "Greedy", "Hypothesis", "Lexicon", "Search", "collapse"]
