"""Connectionist temporal classification: a loss that needs no alignment, and forced alignment.

The loss is torch's, which is imported when it is first used; alignment needs none.

Source: A. Graves, S. Fernández, F. Gomez and J. Schmidhuber, "Connectionist temporal classification: labelling
unsegmented sequence data with recurrent neural networks", ICML 2006, section 4.
"""

from typing import TYPE_CHECKING

from asr.ctc.forced import Span, align, boundaries, each_needs, frames_needed, too_few

if TYPE_CHECKING:
    from asr.ctc.autograd import loss

__all__ = ["Span", "align", "boundaries", "each_needs", "frames_needed", "loss", "too_few"]


def __getattr__(name: str) -> object:
    if name == "loss":
        from asr.ctc.autograd import loss

        return loss
    raise AttributeError(f"module 'asr.ctc' has no attribute '{name}'")
