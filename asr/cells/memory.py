"""How long a gated cell remembers before it has learned anything: the initial biases of its input and forget gates."""

from torch import Tensor

from asr.errors import AsrError


def set_biases(of_input: Tensor, of_forget: Tensor, forget_bias: float, chrono: int) -> None:
    """Set the biases of a layer's input and forget gates, (H,) each, before training.

    Source: R. Jozefowicz, W. Zaremba and I. Sutskever, "An empirical exploration of recurrent network architectures",
    ICML 2015, section 2.2 (a forget bias of 1); C. Tallec and Y. Ollivier, "Can recurrent neural networks warp time?",
    ICLR 2018, section 2 (chrono initialization: b_f = log U(1, T − 1), b_i = −b_f).

    Args:
        of_input: Changed with `chrono` only.
        of_forget: Changed.
        forget_bias: What all forget gates get, without `chrono`.
        chrono: T, the longest expected dependency in frames, at least 3; 0 is none.
    """
    if not chrono:
        of_forget.fill_(forget_bias)
        return
    between(chrono, 3, 1_000_000, "chrono")
    of_forget.uniform_(1, chrono - 1).log_()
    of_input.copy_(-of_forget)


def between(value: float, low: float, high: float, what: str) -> None:
    """Check a cell's setting.

    Raises:
        AsrError: It is out of range.
    """
    if not low <= value <= high:
        raise AsrError(f"encoder.{what} = {value:g}: must be at least {low:g} and at most {high:g}")
