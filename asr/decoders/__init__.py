"""Decoders: how log-probs become hypotheses. A new one is a file here and a line in the table."""

from asr.decoders.base import Decoder, Hypothesis, collapse
from asr.decoders.beam import Beam
from asr.decoders.greedy import Greedy
from asr.decoders.search import Search

DECODERS: dict[str, type[Decoder]] = {"greedy": Greedy, "beam": Beam}

__all__ = ["DECODERS", "Beam", "Decoder", "Greedy", "Hypothesis", "Search", "collapse"]
