"""What every recurrent layer shares: lengths, devices, types; a cell brings its equations and torch's name for it."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from asr.cells import recurrence
from asr.cells.arrays import Record, Walks, Weights
from asr.cells.equations import Equations

Context = Any  # torch's, which takes any attribute


class Layer(nn.RNNBase):
    """One bidirectional layer; parameters, their initialization and the state dict are those of torch's own.

    Padding never changes a result: the backward direction starts at each utterance's own last frame, and frames
    beyond an utterance's length come out as 0. Under autocast, torch's part runs in the type that autocast wants;
    left to itself, autocast would run it in float16, in which small gradients vanish.

    Args:
        features: Size F of an input vector.
        hidden: Size H of each direction's output vector.
    """

    kind: ClassVar[str]  # torch's name, for `torch.nn.RNNBase`
    call: ClassVar[Callable[..., Any]]  # torch's function
    equations: ClassVar[Equations]

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__(self.kind, features, hidden, batch_first=True, bidirectional=True)

    def forward(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        """Return the outputs of both directions, (B, T, 2H).

        Args:
            inputs: (B, T, F).
            lengths: (B,), int64, frames; at least 1 each.
        """
        device, dtype = inputs.device.type, inputs.dtype
        if device == "cpu" and dtype in (torch.float32, torch.float64) and self._compiled(inputs):
            return self._fused(inputs, lengths)
        wanted = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else dtype
        route = self._packed if device == "cuda" else self._reversed
        with torch.autocast(device, enabled=False):
            return route(inputs.to(wanted), lengths, [weight.to(wanted) for weight in self._weights()])

    def _compiled(self, inputs: Tensor) -> bool:
        """Say whether our own walks can be used, which Numba compiles; it is imported with the first."""
        return _works(self.equations, inputs.dtype, _needs_gradient([inputs, *self.parameters()]))

    def _fused(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        """Take our own walks: faster than `_reversed`, and exact (see `asr.cells`)."""
        weights = self._weights()
        return fused(self.equations, inputs, lengths, self._as_sums(*weights[:4]) + self._as_sums(*weights[4:]))

    def _packed(self, inputs: Tensor, lengths: Tensor, weights: list[Tensor]) -> Tensor:
        """Take torch's call for unequal lengths, cuDNN's own; on a CPU it would be one small product a step."""
        packed = pack_padded_sequence(inputs, lengths.cpu(), batch_first=True, enforce_sorted=False)
        initial = self._initial(inputs.new_zeros(2, len(inputs), self.hidden_size))
        # has_biases, num_layers, dropout, train, bidirectional
        settings = True, 1, 0.0, self.training, True
        data = type(self).call(packed.data, packed.batch_sizes, initial, weights, *settings)[0]
        return pad_packed_sequence(packed._replace(data=data), batch_first=True, total_length=inputs.shape[1])[0]

    def _reversed(self, inputs: Tensor, lengths: Tensor, weights: list[Tensor]) -> Tensor:
        """Take two one-directional calls, as any device can; the second on utterances reversed within their length."""
        frames, lengths = torch.arange(inputs.shape[1], device=inputs.device), lengths.to(inputs.device)
        inside = frames < lengths[:, None]  # (B, T)
        reverse = torch.where(inside, lengths[:, None] - 1 - frames, frames)
        forward = self._one_way(inputs, weights[:4])
        backward = _gather(self._one_way(_gather(inputs, reverse), weights[4:]), reverse)
        return torch.cat([forward, backward], dim=-1) * inside[:, :, None]

    def _one_way(self, inputs: Tensor, weights: list[Tensor]) -> Tensor:
        """Run one direction over all T frames, (B, T, F) → (B, T, H); padding comes last and harms nothing."""
        initial = self._initial(inputs.new_zeros(1, len(inputs), self.hidden_size))
        # has_biases, num_layers, dropout, train, bidirectional, batch_first
        settings = True, 1, 0.0, self.training, False, True
        outputs: Tensor = type(self).call(inputs, initial, weights, *settings)[0]
        return outputs

    def _initial(self, zeros: Tensor) -> Tensor | list[Tensor]:
        """Return the state before the first step as torch's function wants it."""
        return zeros

    def _as_sums(self, inputs: Tensor, recurrent: Tensor, *biases: Tensor) -> list[Tensor]:
        """Return one direction's weights as `asr.cells.arrays.Weights` has them, from torch's."""
        return [inputs, recurrent, biases[0] + biases[1]]

    def _weights(self) -> list[Tensor]:
        names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
        return [getattr(self, name + direction) for direction in ("", "_reverse") for name in names]


def _gather(values: Tensor, index: Tensor) -> Tensor:
    """Return values (B, T, F) with their frames in the order of index (B, T)."""
    return values.gather(1, index[:, :, None].expand(-1, -1, values.shape[2]))


def _needs_gradient(tensors: Sequence[Tensor]) -> bool:
    return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)


@cache
def _walks(equations: Equations) -> Walks:
    from asr.cells.walks import walks

    return walks(equations)


@cache
def _works(equations: Equations, dtype: torch.dtype, gradient: bool) -> bool:
    """Say whether the walks compile here, by compiling those that are needed for one frame."""
    from asr.support import jit

    def trial() -> None:
        with torch.enable_grad():
            inputs = torch.zeros(1, 1, 1, dtype=dtype, requires_grad=gradient)
            weights = [torch.zeros(rows, 1, dtype=dtype) for rows in (equations.inputs, equations.recurrent)]
            weights.append(torch.zeros(equations.sums, dtype=dtype))
            outputs = fused(equations, inputs, torch.ones(1, dtype=torch.int64), 2 * weights)
            if gradient:
                outputs.sum().backward()  # type: ignore[no-untyped-call]

    return jit.works(trial, "recurrent cells")


def fused(equations: Equations, inputs: Tensor, lengths: Tensor, weights: Sequence[Tensor]) -> Tensor:
    """Return the outputs of both directions, (B, T, 2H), 0 beyond each length, by the compiled walks.

    Args:
        equations: The cell.
        inputs: (B, T, F), float32 or float64, on the CPU.
        lengths: (B,), int64, frames.
        weights: Of the direction forward in time, then of the one backward: (I H, F), (R H, H), (G H,).
    """
    keep = _needs_gradient([inputs, *weights])
    outputs: Tensor = _Fused.apply(_walks(equations), keep, lengths, inputs, *weights)
    return outputs


class _Fused(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Context, walks: Walks, keep: bool, lengths: Tensor, inputs: Tensor, *weights: Tensor) -> Tensor:
        inputs = inputs.contiguous()
        outputs = inputs.new_empty(*inputs.shape[:2], 2 * weights[1].shape[1])
        arrays = inputs.detach().numpy(), lengths.cpu().numpy(), _directions(weights), outputs.numpy()
        saved = recurrence.forward(walks, *arrays, keep, recurrence.threads())
        if saved:
            ctx.walks, ctx.steps, ctx.lengths = walks, saved.steps, saved.lengths
            # Torch frees what it saves as soon as the backward pass is over.
            records = [torch.from_numpy(array) for record in saved.records for array in record]
            ctx.save_for_backward(inputs, outputs, *weights, *records)
        return outputs

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        inputs, outputs, *others = (tensor.detach() for tensor in ctx.saved_tensors)
        one, two, three, four = (record.numpy() for record in others[6:])
        grad_inputs, grads = recurrence.backward(
            ctx.walks,
            recurrence.Saved(ctx.lengths, ctx.steps, (Record(one, two), Record(three, four))),
            inputs.numpy(),
            _directions(others[:6]),
            outputs.numpy(),
            np.ascontiguousarray(grad_outputs.numpy()),
            ctx.needs_input_grad[3],
            recurrence.threads(),
        )
        by_inputs = None if grad_inputs is None else torch.from_numpy(grad_inputs)
        return None, None, None, by_inputs, *(torch.from_numpy(array) for mine in grads for array in mine)


def _directions(weights: Sequence[Tensor]) -> list[Weights]:
    arrays = [weight.detach().numpy() for weight in weights]
    return [Weights(*arrays[:3]), Weights(*arrays[3:])]
