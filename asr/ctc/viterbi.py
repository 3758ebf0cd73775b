"""The most probable path through a transcript, compiled.

Source: A. Viterbi, "Error bounds for convolutional codes and an asymptotically optimum decoding algorithm", IEEE
Transactions on Information Theory 13(2), 1967; the states, A. Graves et al., ICML 2006, section 4.1.
"""

import numpy as np
import numpy.typing as npt

from asr.support.jit import compiled


@compiled
def best_path(scores: npt.NDArray[np.float64], states: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the state of each frame (T,) of the best path; −1 in the first where none has a probability above 0.

    Args:
        scores: (T, S), log-probabilities.
        states: (S,), ids and the blanks around them; a path stays, moves on, or skips a blank between unequal ids.
    """
    frames, count = scores.shape
    best = np.full(count, -np.inf)
    best[:2] = scores[0, :2]
    moved = np.zeros((frames, count), np.int8)  # by how many states the path that is best in a state came to it
    for t in range(1, frames):
        for s in range(count - 1, -1, -1):  # from the last, so that the states before are still those of frame t − 1
            top = best[s]
            if s > 0 and best[s - 1] > top:
                top, moved[t, s] = best[s - 1], 1
            if s > 1 and states[s] != states[s - 2] and best[s - 2] > top:
                top, moved[t, s] = best[s - 2], 2
            best[s] = top + scores[t, s]
    path = np.empty(frames, np.int64)
    state = count - 1 if best[count - 1] >= best[count - 2] else count - 2
    path[0] = -1
    if best[state] > -np.inf:
        for t in range(frames - 1, -1, -1):
            path[t] = state
            state -= moved[t, state]
    return path
