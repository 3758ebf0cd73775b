"""Cells: one recurrent layer each, in one direction or both. A new one is a file here and a line in the table.

A cell is built as `cell(features, hidden)`, its own settings by name, and called as `cell(inputs, lengths)`: (B, T, F),
(B,) → (B, T, D H), D directions side by side. Padding changes no result, and what lies beyond a length comes out as 0.
A `Layer` has all that from the base class. A cell says its equations (`coupled.py` is a good one to read), or, if the
walks cannot do them, what one direction does in torch. Its weights are those of torch's own layer (a `TorchLayer`), or
our own (an `OwnLayer`): `weight_ih`, `weight_hh` and `bias`, in blocks of rows in the order that its file states.
Layers forward in time go on from a state (`onward`), which truncated back-propagation needs; all cells can.

    cell                walks   torch
    lstm                yes     torch.lstm; with a projection only there
    lstm-peephole       yes     a loop over the equations
    lstm-coupled        yes     a loop over the equations
    lstm-1997           (yes)   a loop of its own; with recurrence = "cells" walks, and a loop over the equations
    lstm-depth-gated    no      a loop of its own
    gru                 yes     torch.gru; with the reset gate before the product, a loop of its own
    mingru              yes     a scan
    rnn                 yes     torch.rnn_tanh; with a leak or relu, a loop over the equations
    clockwork           no      a loop of its own

How a layer runs:

    CUDA                        torch's packed call, which is cuDNN's, or as the last
    CPU, float32 and float64    our own walks, compiled by Numba, or as the last
    anything else               torch, once for each direction, the utterances of the second reversed

**Why walks of our own?** An utterance's outputs are the same to the last bit in any batch and with any number of
threads. BLAS does not promise it: which of its routines multiplies a row depends on how many rows there are. And they
are 1.5–1.8 times as fast as torch's best route on a CPU (the third above), 10–20 times as fast as packed sequences.

**What they do.** One frame of all utterances that have it makes a *step*. The utterances are sorted, longest first, so
that those of a step are always the first so many; one that has ended, or that the walk backward in time has not reached
yet, takes no part, and nothing is spent on padding. The rows of all steps, in the order of the walk, are the rows of a
*record*, and steps of about 128 rows make a *chunk*:

    utterance   frames          step        0     1     2     3     4
    a           0 1 2 3 4       rows     │ a0  │ a1  │ a2  │ a3  │ a4  │
    b           0 1 2                    │ b0  │ b1  │ b2  │     │     │     (forward in time)
    c           0 1                      │ c0  │ c1  │     │     │     │
                                record   a0 b0 c0│a1 b1 c1│a2 b2│a3│a4
                                         └── chunk ──────┘└── chunk ──┘

A row of the record holds the unit's *sums*, the arguments of its nonlinearities: G blocks of H columns. For a chunk at
once, one product gives W x + b. Then, step by step, a product adds U h, and the cell's equations make of sums and the
previous state what the backward walk will need (in the place of the sums), the new state and the output. The backward
walk takes the chunks and steps in reverse: the equations' gradients give those of the sums, one product by Uᵀ those of
the previous outputs; for the chunk at once, the gradients of W, U, b and of the inputs. `asr.cells.reference` is the
same in plain NumPy, without steps and chunks; a test compares.

**How.** A weight matrix is laid out in *panels*: 16 (or 32) of its columns together, row by row, so that a product
reads it from one end to the other, and keeps six rows of sums in registers. Columns come in multiples of 8, the width
of a SIMD *vector*, so that no loop has a remainder; those added are zeros, and H' is what H is rounded up to. Every sum
is taken in the same order whatever the shape, which is why nothing depends on the batch.

    equations.py    what a cell says            arrays.py       steps, records, workspaces
    layer.py        directions, devices, types  recurrence.py   the directions, threads, memory
    fused.py        the walks for autograd      walks.py        compiled: the walks
    blocks.py       gates that cells share      vectors.py      compiled: SIMD vectors, the product's inner loop
    memory.py       initial gate biases
"""

from asr.cells.clockwork import Clockwork
from asr.cells.coupled import CoupledLSTM
from asr.cells.depth_gated import DepthGatedLSTM
from asr.cells.gru import GRU
from asr.cells.layer import Layer
from asr.cells.lstm import LSTM
from asr.cells.lstm1997 import LSTM1997
from asr.cells.mingru import MinGRU
from asr.cells.peephole import PeepholeLSTM
from asr.cells.rnn import RNN

CELLS: dict[str, type[Layer]] = {
    "lstm": LSTM,
    "lstm-peephole": PeepholeLSTM,
    "lstm-coupled": CoupledLSTM,
    "lstm-1997": LSTM1997,
    "lstm-depth-gated": DepthGatedLSTM,
    "gru": GRU,
    "mingru": MinGRU,
    "rnn": RNN,
    "clockwork": Clockwork,
}
