"""Truncated back-propagation through time: the state is carried on between pieces of an utterance, gradients are not.

CTC needs the whole utterance: its loss is of all log-probs together. These do not depend on where an utterance is cut,
since each piece begins with the state that the one before it ended with. Its gradients with respect to log-probs are
exact too. What is cut is their way back through time, at every `frames` frames from the utterance's first one; with a
piece as long as the utterance, nothing is. Since no gradient crosses a cut, pieces are independent of one another in
the backward pass: what a piece keeps for it is thrown away after the forward pass and computed once more when it is
needed, so that the memory for hidden units is that of a piece. Only layers forward in time have such a state; none is
carried on to another utterance or batch, so that there is nothing for a checkpoint to save.

Source: R. J. Williams and J. Peng, "An efficient gradient-based algorithm for on-line training of recurrent network
trajectories", Neural Computation 2(4), 1990 (BPTT(h; h') with h = h'); K. Hwang and W. Sung, "Online sequence training
of recurrent neural networks with connectionist temporal classification", 2015, whose CTC sees a piece at a time too:
an approximation that is not needed where a whole utterance's log-probs fit into memory, and not made here.
"""

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from asr.cells.layer import State
from asr.config import FRAMES, Recipe
from asr.errors import AsrError
from asr.model import Model


def check(recipe: Recipe) -> None:
    """Refuse truncation where there is no state to carry on.

    Raises:
        AsrError: The layers go in both directions, or outputs are not of frames.
    """
    if recipe.training.truncate and recipe.encoder.readout != FRAMES:
        raise AsrError(
            f"training.truncate = {recipe.training.truncate}: needs outputs of frames, and encoder.readout is "
            f"'{recipe.encoder.readout}'; set it to '{FRAMES}', or training.truncate to 0"
        )
    direction = recipe.encoder.own.get("direction", "both")
    if recipe.training.truncate and direction != "forward":
        raise AsrError(
            f"training.truncate = {recipe.training.truncate}: needs layers that only go forward in time, and "
            f"encoder.direction is '{direction}'; set it to 'forward', or training.truncate to 0"
        )


def in_pieces(model: Model, features: Tensor, lengths: Tensor, frames: int) -> tuple[Tensor, Tensor]:
    """Return what `model(features, lengths)` does, with gradients that stop at every so many frames.

    Args:
        model: Its layers go forward in time.
        features: (B, T, F).
        lengths: (B,), int64, frames; at least 1 each.
        frames: Of log-probs, T' of them after the front end, in a piece.
    """
    hidden, lengths = model.frontend(features, lengths)
    remaining, rows = lengths.to(hidden.device), torch.arange(len(hidden), device=hidden.device)
    states: list[State] = []
    found = []
    for piece in hidden[:, : int(lengths.max())].split(frames, dim=1):
        going = remaining > 0  # of the utterances that the piece before had, those that this one has
        remaining, rows = remaining[going], rows[going]
        states = [[one[going.to(one.device)] for one in state] for state in states]
        inside = remaining.clamp(max=piece.shape[1])
        log_probs, states = checkpoint(model.onward, piece[rows], inside, states, use_reentrant=False)
        whole = log_probs.new_zeros(len(hidden), *log_probs.shape[1:])
        found.append(whole.index_copy(0, rows, log_probs))
        remaining = remaining - frames
    return torch.cat(found, dim=1), lengths
