"""What every recurrent layer shares: lengths, directions, devices, types; a cell brings its equations and weights."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from asr.cells.equations import Equations
from asr.cells.fused import continued, fused, needs_gradient, works
from asr.errors import choose

DIRECTIONS = {"both": 2, "forward": 1}

State = list[Tensor]  # what a direction goes on with, (B, …) each, its last output first; empty before the first frame


class Layer(nn.Module):
    """One layer in one direction, forward in time, or in both, side by side.

    Padding never changes a result: the backward direction starts at each utterance's own last frame, and frames
    beyond an utterance's length come out as 0. Under autocast, torch's part runs in the type that autocast wants;
    left to itself, autocast would run it in float16, in which small gradients vanish.

    A cell sets `equations` if its steps are what `Equations` can say: it then has compiled walks and a loop in torch.
    Else it says in `_onward` what a direction does.

    Attributes:
        size: Of a frame's output vector, over all directions.
        directions: One or two.
        carries: Whether the layer is called with a list of the cell states of the layers below, and appends its own.
    """

    equations: Equations | None = None
    carries: ClassVar[bool] = False
    hidden_size: int
    size: int
    directions: int

    def forward(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        """Return the outputs of all directions, (B, T, D H).

        Args:
            inputs: (B, T, F).
            lengths: (B,), int64, frames; at least 1 each.
        """
        device, dtype = inputs.device.type, inputs.dtype
        if device == "cpu" and dtype in (torch.float32, torch.float64) and self._compiled(inputs):
            return self._fused(inputs, lengths)
        wanted = computed_in(inputs)
        route = self._packed if device == "cuda" else self._reversed
        with torch.autocast(device, enabled=False):
            return route(inputs.to(wanted), lengths, [[w.to(wanted) for w in mine] for mine in self._weights()])

    def onward(self, inputs: Tensor, lengths: Tensor, state: State) -> tuple[Tensor, State]:
        """Go on where an earlier call stopped; return the outputs, (B, T, H), and the state to go on with.

        Pieces give what the whole gives, but no gradient flows from one to those before it. Only a layer forward in
        time can do this.

        Args:
            inputs: (B, T, F).
            lengths: (B,), int64, frames; at least 1 each. The state of an utterance that is shorter than T is over.
            state: What the earlier call returned; empty at the beginning.
        """
        assert self.directions == 1
        (weights,) = self._weights()
        if inputs.device.type == "cpu" and inputs.dtype in (torch.float32, torch.float64) and self._compiled(inputs):
            assert self.equations
            begin = state or [inputs.new_zeros(len(inputs), self.hidden_size)] * 2
            return continued(self.equations, inputs, lengths, self._as_sums(*weights), begin)
        wanted = computed_in(inputs)
        with torch.autocast(inputs.device.type, enabled=False):
            outputs, state = self._onward(inputs.to(wanted), [weight.to(wanted) for weight in weights], state)
        return outputs * within(lengths, inputs)[:, :, None], [one.detach() for one in state]

    def stand_on(self, lower: "Layer") -> None:
        """Add what a layer has only above another one; most have nothing."""

    def _compiled(self, inputs: Tensor) -> bool:
        """Say whether our own walks can be used, which Numba compiles; it is imported with the first."""
        if self.equations is None:
            return False
        return works(self.equations, inputs.dtype, needs_gradient([inputs, *self.parameters()]))

    def _fused(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        """Take our own walks: faster than `_reversed`, and exact (see `asr.cells`)."""
        assert self.equations
        return fused(self.equations, inputs, lengths, [self._as_sums(*mine) for mine in self._weights()])

    def _packed(self, inputs: Tensor, lengths: Tensor, weights: list[list[Tensor]]) -> Tensor:
        """Take the device's own call for unequal lengths, if there is one."""
        return self._reversed(inputs, lengths, weights)

    def _reversed(self, inputs: Tensor, lengths: Tensor, weights: list[list[Tensor]]) -> Tensor:
        """Take one-directional calls, as any device can; the second on utterances reversed within their length."""
        return self._each_way(inputs, lengths, lambda values, side: self._one_way(values, weights[side]))

    def _each_way(self, inputs: Tensor, lengths: Tensor, run: Callable[[Tensor, int], Tensor]) -> Tensor:
        """Return what `run` makes of the inputs in the order of each direction, side by side, 0 beyond a length."""
        inside = within(lengths, inputs)
        outputs = [run(inputs, 0)]
        if self.directions == 2:
            frames, lengths = torch.arange(inputs.shape[1], device=inputs.device), lengths.to(inputs.device)
            reverse = torch.where(inside, lengths[:, None] - 1 - frames, frames)
            outputs.append(_gather(run(_gather(inputs, reverse), 1), reverse))
        return torch.cat(outputs, dim=-1) * inside[:, :, None]

    def _one_way(self, inputs: Tensor, weights: list[Tensor]) -> Tensor:
        """Run one direction over all T frames, (B, T, F) → (B, T, H); padding comes last and harms nothing."""
        return self._onward(inputs, weights, [])[0]

    def _onward(self, inputs: Tensor, weights: list[Tensor], state: State) -> tuple[Tensor, State]:
        """Run one direction over T frames; return the outputs, (B, T, H), and the state after the last."""
        assert self.equations
        return loop(self.equations, inputs, self._as_sums(*weights), state)

    def _as_sums(self, *weights: Tensor) -> list[Tensor]:
        """Return one direction's weights as `asr.cells.arrays.Weights` has them, from the layer's own."""
        raise NotImplementedError

    def _weights(self) -> list[list[Tensor]]:
        """Return each direction's weights."""
        raise NotImplementedError


class TorchLayer(Layer, nn.RNNBase):
    """A layer with the parameters of torch's own; their initialization and the state dict are torch's too.

    Args:
        features: Size F of an input vector.
        hidden: Size H of each direction's output vector.
        direction: A key of `DIRECTIONS`.
        projection: Size of what each direction's output is projected to, of an LSTM; 0 is none.
    """

    kind: str  # torch's name, for `torch.nn.RNNBase`
    call: Callable[..., Any]  # torch's function
    names: tuple[str, ...] = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")

    def __init__(self, features: int, hidden: int, direction: str = "both", projection: int = 0) -> None:
        self.directions = choose(DIRECTIONS, direction, "direction")
        both = self.directions == 2
        nn.RNNBase.__init__(
            self, self.kind, features, hidden, batch_first=True, bidirectional=both, proj_size=projection
        )
        self.size = self.directions * (projection or hidden)

    def _packed(self, inputs: Tensor, lengths: Tensor, weights: list[list[Tensor]]) -> Tensor:
        """Take torch's call for unequal lengths, cuDNN's own; on a CPU it would be one small product a step."""
        packed = pack_padded_sequence(inputs, lengths.cpu(), batch_first=True, enforce_sorted=False)
        initial = self._initial(inputs, self.directions)
        # has_biases, num_layers, dropout, train, bidirectional
        settings = True, 1, 0.0, self.training, self.directions == 2
        flat = [weight for mine in weights for weight in mine]
        data = type(self).call(packed.data, packed.batch_sizes, initial, flat, *settings)[0]
        return pad_packed_sequence(packed._replace(data=data), batch_first=True, total_length=inputs.shape[1])[0]

    def _onward(self, inputs: Tensor, weights: list[Tensor], state: State) -> tuple[Tensor, State]:
        initial = self._initial(inputs, 1)
        if state:
            given = [one[None].to(inputs) for one in state]
            initial = given if isinstance(initial, list) else given[0]
        # has_biases, num_layers, dropout, train, bidirectional, batch_first
        settings = True, 1, 0.0, self.training, False, True
        outputs, *last = type(self).call(inputs, initial, weights, *settings)
        return outputs, [last[0][0], last[-1][0]]

    def _initial(self, inputs: Tensor, directions: int) -> Tensor | list[Tensor]:
        """Return the state before the first step as torch's function wants it."""
        return inputs.new_zeros(directions, len(inputs), self.hidden_size)

    def _as_sums(self, *weights: Tensor) -> list[Tensor]:
        inputs, recurrent, of_inputs, of_recurrent = weights
        return [inputs, recurrent, of_inputs + of_recurrent]

    def _weights(self) -> list[list[Tensor]]:
        return named(self, self.names)


class OwnLayer(Layer):
    """A layer with parameters of our own: each direction's `weight_ih`, `weight_hh`, `bias`, and what a cell adds.

    Their rows come in blocks in the order of the cell's sums. The backward direction's end in `_reverse`.

    Args:
        features: Size F of an input vector.
        hidden: Size H of each direction's output vector.
        direction: A key of `DIRECTIONS`.
    """

    names: tuple[str, ...] = ("weight_ih", "weight_hh", "bias")

    def __init__(self, features: int, hidden: int, direction: str = "both") -> None:
        super().__init__()
        self.directions = choose(DIRECTIONS, direction, "direction")
        self.input_size, self.hidden_size, self.size = features, hidden, self.directions * hidden

    def _uniform(self, shapes: Iterable[tuple[int, ...]]) -> None:
        """Make each direction's parameters, of so many rows and columns: U(±1/√H), as torch does; biases 0."""
        bound, shapes = self.hidden_size**-0.5, list(shapes)
        for suffix in SUFFIXES[: self.directions]:
            for name, shape in zip(self.names, shapes, strict=True):
                values = torch.zeros(shape) if len(shape) == 1 else torch.empty(shape).uniform_(-bound, bound)
                self.register_parameter(name + suffix, nn.Parameter(values))

    def _as_sums(self, *weights: Tensor) -> list[Tensor]:
        return [*weights[:2], torch.cat(weights[2:])]

    def _weights(self) -> list[list[Tensor]]:
        return named(self, self.names)


SUFFIXES = ("", "_reverse")  # of the names of parameters


def named(layer: Layer, names: Iterable[str]) -> list[list[Tensor]]:
    """Return the parameters or buffers of these names, of each direction."""
    return [[getattr(layer, name + suffix) for name in names] for suffix in SUFFIXES[: layer.directions]]


def within(lengths: Tensor, inputs: Tensor) -> Tensor:
    """Return which frames of the inputs (B, T, F) are not padding, (B, T)."""
    return torch.arange(inputs.shape[1], device=inputs.device) < lengths.to(inputs.device)[:, None]


def begun(state: State, inputs: Tensor, *sizes: int) -> State:
    """Return a state in the inputs' type; at the beginning zeros, (B, H) for each size H."""
    return [one.to(inputs) for one in state] or [inputs.new_zeros(len(inputs), size) for size in sizes]


def computed_in(inputs: Tensor) -> torch.dtype:
    """Return the type that torch's part runs in."""
    device = inputs.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else inputs.dtype


def _gather(values: Tensor, index: Tensor) -> Tensor:
    """Return values (B, T, F) with their frames in the order of index (B, T)."""
    return values.gather(1, index[:, :, None].expand(-1, -1, values.shape[2]))


def loop(equations: Equations, inputs: Tensor, weights: Sequence[Tensor], last: State) -> tuple[Tensor, State]:
    """Return one direction's outputs (B, T, H), step by step in torch, and its state; autograd finds the gradients.

    Args:
        equations: The cell.
        inputs: (B, T, F).
        weights: (I H, F), (R H, H) and ((G + V) H,).
        last: The output and the state to begin with; empty for zeros.
    """
    of_inputs, recurrent, bias = weights
    hidden, sums = recurrent.shape[1], equations.sums
    vectors = bias.view(-1, hidden)[sums:].unbind(0)
    given = F.pad(inputs @ of_inputs.T, ((sums - equations.inputs) * hidden, 0)) + bias[: sums * hidden]
    output, state = begun(last, inputs, hidden, hidden)
    outputs = []
    for now in given.unbind(1):
        total = now + F.pad(output @ recurrent.T, (0, (sums - equations.recurrent) * hidden))
        _, state, output = equations.forward((*total.view(len(total), sums, hidden).unbind(1), *vectors), state)
        outputs.append(output)
    return torch.stack(outputs, dim=1), [output, state]
