"""The compiled walks as an operation of torch, with its gradients; Numba is imported with the first call."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.autograd.graph import saved_tensors_hooks

from asr.cells import recurrence
from asr.cells.arrays import Record, Walks, Weights
from asr.cells.equations import Equations

Context = Any  # torch's, which takes any attribute


def needs_gradient(tensors: Sequence[Tensor]) -> bool:
    """Say whether a backward pass may follow."""
    return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)


@cache
def _walks(equations: Equations) -> Walks:
    from asr.cells.walks import walks

    return walks(equations)


@cache
def works(equations: Equations, dtype: torch.dtype, gradient: bool) -> bool:
    """Say whether the walks compile here, by compiling those that are needed for one frame."""
    from asr.support import jit

    def trial() -> None:
        with torch.enable_grad(), saved_tensors_hooks(_itself, _itself):  # nothing outside sees what is saved here
            inputs = torch.zeros(1, 1, 1, dtype=dtype, requires_grad=gradient)
            weights = [torch.zeros(rows, 1, dtype=dtype) for rows in (equations.inputs, equations.recurrent)]
            weights.append(torch.zeros(recurrence.blocks(equations), dtype=dtype))
            outputs = fused(equations, inputs, torch.ones(1, dtype=torch.int64), [weights])
            if gradient:
                outputs.sum().backward()  # type: ignore[no-untyped-call]

    return jit.works(trial, "recurrent cells")


def _itself(tensor: Tensor) -> Tensor:
    return tensor


def fused(equations: Equations, inputs: Tensor, lengths: Tensor, weights: Sequence[Sequence[Tensor]]) -> Tensor:
    """Return the outputs of each direction side by side, (B, T, D H), 0 beyond each length, by the compiled walks.

    Args:
        equations: The cell.
        inputs: (B, T, F), float32 or float64, on the CPU.
        lengths: (B,), int64, frames.
        weights: Of the direction forward in time and, if there is one, backward: (I H, F), (R H, H), ((G + V) H,).
    """
    return _applied(equations, inputs, lengths, weights, ())[0]


def continued(
    equations: Equations, inputs: Tensor, lengths: Tensor, weights: Sequence[Tensor], state: Sequence[Tensor]
) -> tuple[Tensor, list[Tensor]]:
    """Return the outputs of the direction forward in time, (B, T, H), and each utterance's last output and state.

    Args:
        equations: The cell.
        inputs: (B, T, F).
        lengths: (B,), int64, frames.
        weights: Of the direction.
        state: What the walk begins with, outputs and states, (B, H) each. They get no gradient.
    """
    outputs, *state = _applied(equations, inputs, lengths, [weights], state)
    return outputs, state


def _applied(
    equations: Equations, inputs: Tensor, lengths: Tensor, weights: Sequence[Sequence[Tensor]], state: Sequence[Tensor]
) -> tuple[Tensor, ...]:
    flat = [weight for mine in weights for weight in mine]
    keep = needs_gradient([inputs, *flat])
    found: tuple[Tensor, ...] = _Fused.apply(_walks(equations), keep, lengths, tuple(state), inputs, *flat)
    return found


class _Fused(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Context, walks: Walks, keep: bool, lengths: Tensor, state: tuple[Tensor, ...], inputs: Tensor,
        *weights: Tensor,
    ) -> tuple[Tensor, ...]:  # fmt: skip
        inputs = inputs.contiguous()
        after = [one.detach().clone() for one in state]
        outputs = inputs.new_empty(*inputs.shape[:2], len(weights) // 3 * weights[1].shape[1])
        arrays = inputs.detach().numpy(), lengths.cpu().numpy(), _directions(weights), outputs.numpy()
        begun = recurrence.State(*(one.numpy() for one in after)) if state else None
        saved = recurrence.forward(walks, *arrays, keep, recurrence.threads(), begun)
        ctx.mark_non_differentiable(*after)
        if saved:
            ctx.walks, ctx.steps, ctx.lengths, ctx.count = walks, saved.steps, saved.lengths, len(weights)
            ctx.before = state[0].detach().numpy() if state else None
            # Torch frees what it saves as soon as the backward pass is over.
            records = [torch.from_numpy(array) for record in saved.records for array in record]
            ctx.save_for_backward(inputs, outputs, *weights, *records)
        return outputs, *after

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, grad_outputs: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        inputs, outputs, *others = (tensor.detach() for tensor in ctx.saved_tensors)
        records = [record.numpy() for record in others[ctx.count :]]
        grad_inputs, grads = recurrence.backward(
            ctx.walks,
            recurrence.Saved(ctx.lengths, ctx.steps, [Record(*records[i : i + 2]) for i in range(0, len(records), 2)]),
            inputs.numpy(),
            _directions(others[: ctx.count]),
            outputs.numpy(),
            np.ascontiguousarray(grad_outputs.numpy()),
            ctx.needs_input_grad[4],
            recurrence.threads(),
            ctx.before,
        )
        by_inputs = None if grad_inputs is None else torch.from_numpy(grad_inputs)
        return None, None, None, None, by_inputs, *(torch.from_numpy(array) for mine in grads for array in mine)


def _directions(weights: Sequence[Tensor]) -> list[Weights]:
    arrays = [weight.detach().numpy() for weight in weights]
    return [Weights(*arrays[i : i + 3]) for i in range(0, len(arrays), 3)]
