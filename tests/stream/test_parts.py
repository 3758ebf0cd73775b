"""Each part of a stream gives what the same part gives of the whole, however the samples arrive."""

import numpy as np
import pytest

from asr import audio
from asr.cells import CELLS
from asr.decoders import Greedy
from asr.engines import Parameters
from asr.engines.network import Network
from asr.errors import InputError
from asr.features import MFCC, Fbank
from asr.features.delta import Deltas
from asr.features.normalise import BLOCK, Statistics, Tally
from asr.frontends import FRONTENDS
from asr.stream import networks
from asr.stream.cutter import Cutter
from asr.stream.extractor import Extractor
from asr.stream.networks import Carried, Window, Windowed
from asr.units import Units

SIZES = [(1600,), (1, 7, 399, 401, 5000), (480_000,)]
FEATURES = {
    "mfcc": MFCC(),
    "energy": MFCC(energy=True),
    "fbank": Fbank(mels=40, shift=0.0125),
    "delta": Deltas(MFCC(), 1),
    "double-delta": Deltas(Fbank(), 2),
}


def in_parts(samples, sizes):
    """Yield samples in parts of these sizes, again and again."""
    at, turn = 0, 0
    while at < len(samples):
        size = sizes[turn % len(sizes)]
        yield samples[at : at + size]
        at, turn = at + size, turn + 1


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("kind", FEATURES)
def test_features_are_those_of_the_whole_to_the_bit(speech, kind, sizes):
    samples = speech[:50_000]
    extractor = Extractor(FEATURES[kind])
    rows = [extractor.accept(part) for part in in_parts(samples, sizes)]
    rows.append(extractor.accept(samples[:0], last=True))
    np.testing.assert_array_equal(np.concatenate(rows), FEATURES[kind](samples))


def test_less_than_a_window_is_refused_as_ever():
    with pytest.raises(InputError, match=r"399 samples \(24.9375 ms\) are shorter than one window of 400"):
        Extractor(MFCC()).accept(np.zeros(399, np.float32), last=True)


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
def test_resampling_in_parts_is_resampling(speech, rate):
    resampler = audio.Resampler(rate, 16_000)
    found = [resampler.accept(part) for part in in_parts(speech[:100_000], (999, 20_000))]
    found.append(resampler.accept(speech[:0], last=True))
    np.testing.assert_array_equal(np.concatenate(found), audio.resample(speech[:100_000], rate, 16_000))


@pytest.mark.parametrize("frames", [5, BLOCK, 2 * BLOCK + 3])
def test_statistics_are_those_of_the_whole_to_the_bit(frames):
    rows = np.random.default_rng(1).standard_normal((frames, 13)).astype(np.float32)
    tally = Tally()
    for part in in_parts(rows, (700, 1, BLOCK // 2)):
        tally.add(part)
    whole, found = Statistics.of(rows), tally.statistics
    assert found.count == whole.count == frames
    np.testing.assert_array_equal(found.total, whole.total)
    np.testing.assert_array_equal(found.squares, whole.squares)
    np.testing.assert_allclose(whole.mean, rows.mean(axis=0, dtype=float), rtol=1e-9)


@pytest.mark.parametrize(
    ("cell", "frontend"), [*((cell, "none") for cell in CELLS), *(("lstm", frontend) for frontend in FRONTENDS)]
)
def test_a_network_that_runs_forward_is_exact(made, cell, frontend):
    system = made(encoder={"cell": cell, "direction": "forward", "norm": True}, frontend={"kind": frontend})
    rows = np.random.default_rng(2).standard_normal((701, 13)).astype(np.float32)
    network = Network(system.architecture, Parameters(system.weights))
    carried = networks.build(system, None, lambda rows: rows, Window(9, 9, 9))
    assert isinstance(carried, Carried)
    found = [carried.accept(part) for part in in_parts(rows, (1, 50, 3, 130))]
    found.append(carried.accept(rows[:0], last=True))
    np.testing.assert_array_equal(np.concatenate(found), network(rows))


@pytest.mark.parametrize("frontend", ["none", "stack", "conv"])
@pytest.mark.parametrize("sizes", [(10,), (1, 333), (2000,)], ids=str)
def test_a_window_as_wide_as_the_recording_sees_all_of_it(made, frontend, sizes):
    """What is returned at once is the whole's; a network in both directions needs the context for it."""
    system = made(gain=1.0, frontend={"kind": frontend})
    rows = np.random.default_rng(2).standard_normal((701, 13)).astype(np.float32)
    network = Network(system.architecture, Parameters(system.weights))

    def engine(features, lengths):
        return network(features[0])[None], np.array([-(-lengths[0] // network.stride)])

    def run(window):
        windowed = Windowed(engine, lambda rows: rows, window, network.stride, len(system.units))
        found = [windowed.accept(part) for part in in_parts(rows, sizes)]
        return np.concatenate([*found, windowed.accept(rows[:0], last=True)])

    whole = network(rows)
    np.testing.assert_array_equal(run(Window(1, 1000, 1)), whole)
    errors = [np.abs(run(Window(context, 20, context)) - whole).max() for context in (1, 60)]
    assert errors[1] < errors[0] / 10


def path_of(text, units):
    """Return log-probs whose best path is a text, in which - is blank."""
    ids = [0 if symbol == "-" else units.symbols.index(symbol) for symbol in text]
    return np.log(np.where(np.eye(len(units))[ids] > 0, 0.9, 0.1 / (len(units) - 1))).astype(np.float32)


UNITS = Units.of("characters", alphabet="abcd ")


@pytest.mark.parametrize(
    ("text", "lengths"),
    [
        ("aab----b----", [7, 5]),  # the first blank that makes the pause is the last of its piece
        ("aab--- --b", [8, 2]),  # silence is a pause too, but the cut is at a blank
        ("---------", [9]),  # without speech there is no pause
        ("ab--ab-ab--ab-ab--", [10, 8]),  # too long: cut in the quiet of the second half
        ("abababababababababab", [11, 9]),  # too long without any quiet: where the path changes
    ],
)
def test_a_stream_is_cut_at_pauses(text, lengths):
    pieces = Cutter(UNITS, 1.0, pause=4, longest=12).accept(path_of(text, UNITS), last=True)
    assert [len(piece.log_probs) for piece in pieces] == lengths
    assert [piece.first for piece in pieces] == np.cumsum([0, *lengths[:-1]]).tolist()


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_the_best_path_of_the_pieces_is_that_of_the_whole(size):
    generator = np.random.default_rng(size)
    for _ in range(6):
        log_probs = np.log(generator.dirichlet([0.3, 0.2, 0.2, 0.2, 0.2, 0.2], 300)).astype(np.float32)
        log_probs = np.repeat(log_probs, generator.integers(1, 9, 300), axis=0)
        whole, cutter = Greedy()(log_probs)[0], Cutter(UNITS, 1.0, pause=8, longest=40)
        pieces = [piece for part in in_parts(log_probs, (size,)) for piece in cutter.accept(part)]
        pieces += cutter.accept(log_probs[:0], last=True)
        found = [Greedy()(piece.log_probs)[0] for piece in pieces]
        assert len(pieces) > 10
        assert sum((one.ids for one in found), ()) == whole.ids
        starts = zip([piece.first for piece in pieces], found, strict=True)
        spans = [(first + a, first + b) for first, one in starts for a, b in one.frames]
        assert tuple(spans) == whole.frames
        np.testing.assert_array_equal(np.concatenate([piece.log_probs for piece in pieces]), log_probs)
