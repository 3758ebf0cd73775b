"""What all tests have: the corpus of tones, and signals as in a terminal."""

import signal

import numpy as np
import pytest
import soundfile
from tones import RATE, make_toy, tones


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """What the tests train is too small to share, and idle threads spin on a busy machine."""
    import torch  # seconds that the process which only distributes the tests need not pay

    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def usual_handlers():
    """Handle signals as in a terminal: where the tests run in the background, Ctrl-C is ignored."""
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def toy(tmp_path_factory):
    """The toy corpus, prepared once."""
    return make_toy(tmp_path_factory.mktemp("data") / "toy")


@pytest.fixture(scope="session")
def record():
    """Write a recording of some letters' tones."""

    def write(path, text, seed=0):
        soundfile.write(path, tones(text, np.random.default_rng(seed)), RATE)
        return path

    return write
