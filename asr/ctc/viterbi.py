"""The most probable path through a transcript, compiled.

Source: A. Viterbi, "Error bounds for convolutional codes and an asymptotically optimum decoding algorithm", IEEE
Transactions on Information Theory 13(2), 1967; the states, A. Graves et al., ICML 2006, section 4.1.
"""

from math import inf

import numpy as np
import numpy.typing as npt

from asr.support.jit import compiled

Reals = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Moves = npt.NDArray[np.int8]


@compiled
def best_path(scores: Reals, states: Ints, best: Reals, moved: Moves, path: Ints) -> None:
    """Fill `path` with the state of each frame of the best path; −1 in the first where none has a probability above 0.

    The caller allocates all arrays, without which compiling takes eight times as long.

    Args:
        scores: (T, S), log-probabilities.
        states: (S,), ids and the blanks around them; a path stays, moves on, or skips a blank between unequal ids.
        best: (S,), workspace.
        moved: (T, S), workspace: by how many states the path that is best in a state came to it.
        path: (T,).
    """
    frames, count = scores.shape
    for s in range(count):
        best[s] = scores[0, s] if s < 2 else -inf
    for t in range(1, frames):
        for s in range(count - 1, -1, -1):  # from the last, so that the states before are still those of frame t − 1
            top, step = best[s], 0
            if s > 0 and best[s - 1] > top:
                top, step = best[s - 1], 1
            if s > 1 and states[s] != states[s - 2] and best[s - 2] > top:
                top, step = best[s - 2], 2
            best[s], moved[t, s] = top + scores[t, s], step
    state = count - 1 if best[count - 1] >= best[count - 2] else count - 2
    if best[state] > -inf:
        for t in range(frames - 1, -1, -1):
            path[t] = state
            state -= moved[t, state] if t > 0 else 0
    else:
        path[0] = -1
