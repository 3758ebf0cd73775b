"""A recurrent cell's compiled walks as a function that torch can differentiate, once, on a CPU."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from asr.cells import recurrence
from asr.cells.recurrence import Kernel, Memory, Steps, Weights

Context = Any  # torch's, which takes any attribute


def fused(kernel: Kernel, inputs: Tensor, lengths: Tensor, weights: Sequence[Tensor]) -> Tensor:
    """Return the outputs of both directions, (B, T, 2H), 0 beyond each length.

    Args:
        kernel: The cell.
        inputs: (B, T, F), float32 or float64, on the CPU.
        lengths: (B,), int64, frames.
        weights: Eight, as `torch.nn.LSTM` orders them.
    """
    keep = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in (inputs, *weights))
    outputs: Tensor = _Fused.apply(kernel, keep, lengths, inputs, *weights)
    return outputs


class _Fused(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Context, kernel: Kernel, keep: bool, lengths: Tensor, inputs: Tensor, *weights: Tensor) -> Tensor:
        inputs = inputs.contiguous()
        outputs = inputs.new_empty(*inputs.shape[:2], 2 * weights[1].shape[1])
        arrays = inputs.detach().numpy(), lengths.cpu().numpy(), _directions(weights), outputs.numpy()
        memory = recurrence.forward(kernel, *arrays, keep, recurrence.threads())
        if memory:
            ctx.kernel, ctx.steps = kernel, memory.steps
            # Torch lets go of what it saves as soon as the pass back is over.
            records = [torch.from_numpy(record) for records in memory.records for record in records]
            ctx.save_for_backward(inputs, outputs, *weights, *records)
        return outputs

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, slope: Tensor) -> tuple[Tensor | None, ...]:
        inputs, outputs, *others = (tensor.detach() for tensor in ctx.saved_tensors)
        by_inputs, by_weights = recurrence.backward(
            ctx.kernel,
            _memory(ctx.steps, others[8:]),
            inputs.numpy(),
            _directions(others[:8]),
            outputs.numpy(),
            slope.contiguous().numpy(),
            ctx.needs_input_grad[3],
            recurrence.threads(),
        )
        found = [None if by_inputs is None else torch.from_numpy(by_inputs)]
        for by in by_weights:
            bias = torch.from_numpy(by.bias)
            found += [torch.from_numpy(by.inputs), torch.from_numpy(by.recurrent), bias, bias.clone()]
        return None, None, None, *found


def _directions(weights: Sequence[Tensor]) -> list[Weights]:
    """Return both directions' parameters, the two biases as one."""
    arrays = [weight.detach().numpy() for weight in weights]
    return [Weights(arrays[i], arrays[i + 1], arrays[i + 2] + arrays[i + 3]) for i in (0, 4)]


def _memory(steps: tuple[Steps, Steps], records: Sequence[Tensor]) -> Memory:
    one, two, three, four = (record.numpy() for record in records)
    return Memory(steps, ((one, two), (three, four)))
