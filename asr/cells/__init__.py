"""Cells: one bidirectional recurrent layer each. A new one is a file here and a line in the table.

A cell is built as `cell(features, hidden)` and called as `cell(inputs, lengths)`: (B, T, F), (B,) → (B, T, 2H). Padding
changes no result, and what lies beyond a length comes out as 0. A `Layer` has all that from the base class, and says
only its equations (`gru.py` is a good one to read); its weights are those of torch's own layer.

How a layer runs:

    CUDA                        torch's packed call, which is cuDNN's
    CPU, float32 and float64    our own walks, compiled by Numba
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
    layer.py        torch: devices, autograd    recurrence.py   both directions, threads, memory
    walks.py        compiled: the walks         vectors.py      compiled: SIMD vectors, the product's inner loop
"""

from torch import nn

from asr.cells.gru import GRU
from asr.cells.lstm import LSTM
from asr.cells.rnn import RNN

CELLS: dict[str, type[nn.Module]] = {"lstm": LSTM, "gru": GRU, "rnn": RNN}
