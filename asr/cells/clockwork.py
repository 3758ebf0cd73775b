"""The clockwork network: modules of simple recurrent units, each with a clock of its own.

    h' = tanh(W x + U h + b)     in the modules whose period divides the frame's number, from 0; the others keep h

There are M modules of H / M units with periods 1, 2, 4, …; a module reads its own and the slower ones' outputs, so that
U is block upper triangular, and the modules that move at a frame are always the first so many. Frames are counted from
an utterance's own first frame in the order of the walk, in the backward direction from its last. It runs in torch.
Parameters of a direction: H F + H + (M + 1) / (2 M) H².

Source: J. Koutník, K. Greff, F. Gomez and J. Schmidhuber, "A clockwork RNN", ICML 2014, section 3.
"""

import torch
from torch import Tensor

from asr.cells.layer import OwnLayer, State, begun
from asr.errors import AsrError


class Clockwork(OwnLayer):
    """One layer of a clockwork network.

    Args:
        features: Size F of an input vector.
        hidden: Size H of each direction's output vector.
        direction: "both" or "forward".
        modules: M, which must divide H.
    """

    mask: Tensor

    def __init__(self, features: int, hidden: int, direction: str = "both", modules: int = 4) -> None:
        if not 1 <= modules <= 20 or hidden % modules:
            raise AsrError(f"encoder.modules = {modules}: must divide the {hidden} hidden units and be at most 20")
        super().__init__(features, hidden, direction)
        self.count = modules
        module = torch.arange(hidden) // (hidden // modules)
        mask = module[:, None] <= module  # whether a unit reads another one
        self.register_buffer("mask", mask, persistent=False)
        self._uniform([(hidden, features), (int(mask.sum()), 1), (hidden,)])

    def _onward(self, inputs: Tensor, weights: list[Tensor], state: State) -> tuple[Tensor, State]:
        of_inputs, read, bias = weights
        recurrent = read.new_zeros(self.mask.shape).masked_scatter(self.mask, read)
        given = inputs @ of_inputs.T + bias
        (h,), clock = begun(state[:1], inputs, self.hidden_size), state[1] if state else torch.zeros(len(inputs))
        outputs = []
        for t, now in enumerate(given.unbind(1), int(clock[0])):
            moved = moving(t, self.count) * (self.hidden_size // self.count)
            new = torch.tanh(now[:, :moved] + h @ recurrent[:moved].T)
            h = torch.cat([new, h[:, moved:]], dim=1)
            outputs.append(h)
        return torch.stack(outputs, dim=1), [h, clock + inputs.shape[1]]


def moving(frame: int, modules: int) -> int:
    """Return how many of the modules, the fastest first, move at a frame."""
    return next((slow for slow in range(modules) if frame % 2**slow), modules)
