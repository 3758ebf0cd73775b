import numpy as np
import pytest

from asr.errors import AsrError
from asr.features.delta import Deltas, slope
from asr.features.fbank import Fbank


def random(frames, dimension=3):
    return np.random.default_rng(frames).standard_normal((frames, dimension)).astype(np.float32)


def regression(features):
    """The line of least squares through each five frames, ends repeated."""
    padded = np.concatenate([features[:1]] * 2 + [features] + [features[-1:]] * 2)
    return np.stack([np.polyfit(np.arange(5), padded[t : t + 5], 1)[0] for t in range(len(features))])


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 5, 50])
def test_a_delta_is_the_slope_of_the_regression_line(frames):
    np.testing.assert_allclose(slope(random(frames)), regression(random(frames)), atol=1e-6)


@pytest.mark.parametrize("frames", [1, 2, 3, 50])
def test_deltas_are_torchaudios(frames):
    torch = pytest.importorskip("torch", reason="the witness torchaudio needs torch")
    try:
        from torchaudio.functional import compute_deltas
    except (ImportError, OSError) as error:  # OSError: a torchaudio for CUDA beside a torch for the CPU
        pytest.skip(f"the witness torchaudio cannot be imported: {error}")
    one = compute_deltas(torch.from_numpy(random(frames)).T[None], win_length=5, mode="replicate")
    two = compute_deltas(one, win_length=5, mode="replicate")
    np.testing.assert_allclose(slope(random(frames)), one[0].T.numpy(), atol=1e-6)
    np.testing.assert_allclose(slope(slope(random(frames))), two[0].T.numpy(), atol=1e-6)


def test_double_deltas_are_kaldis_except_in_the_first_and_last_two_frames():
    features = random(30)
    taps = np.convolve([-2, -1, 0, 1, 2], [-2, -1, 0, 1, 2]) / 100  # Kaldi's single filter of nine
    places = np.clip(np.arange(30)[:, None] + np.arange(-4, 5), 0, 29)
    kaldi = np.einsum("k,tkf->tf", taps, features[places])
    ours = slope(slope(features))
    np.testing.assert_allclose(ours[2:-2], kaldi[2:-2], atol=1e-6)
    assert (np.abs(ours - kaldi).max(axis=1)[[0, 1, -2, -1]] > 1e-3).all()


def test_what_does_not_move_has_no_slope_and_what_rises_evenly_has_its_own():
    assert (slope(np.full((9, 2), 7, np.float32)) == 0).all()
    rising = np.arange(20, dtype=np.float32)[:, None] * 3
    assert (slope(rising)[2:-2] == 3).all()


@pytest.mark.parametrize("order", [1, 2])
def test_deltas_stand_right_of_what_they_were_taken_of(order):
    samples = np.random.default_rng(0).standard_normal(8000).astype(np.float32)
    plain, matrix = Fbank()(samples), Deltas(Fbank(), order)(samples)
    assert matrix.shape == (len(plain), 23 * (1 + order))
    np.testing.assert_array_equal(matrix[:, :23], plain)
    for i in range(order):
        np.testing.assert_array_equal(matrix[:, 23 * (i + 1) : 23 * (i + 2)], slope(matrix[:, 23 * i : 23 * (i + 1)]))


@pytest.mark.parametrize("order", [0, 3, -1])
def test_other_orders_are_refused(order):
    with pytest.raises(AsrError, match=f"^features: deltas = {order}: 1 appends Δ, 2 appends Δ and ΔΔ"):
        Deltas(Fbank(), order)
