"""What holds for every kind of features of the table, alone and with Δ: the line that registers a newcomer tests it."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.errors import AsrError, InputError
from asr.features import KINDS, frames
from asr.features.delta import Deltas
from asr.support.settings import of

RATE, WIDTH, STEP = 16_000, 400, 160
MAKERS = {name: kind for name, kind in KINDS.items()}
MAKERS |= {f"{name}+Δ": lambda kind=kind: Deltas(kind(), 1) for name, kind in KINDS.items()}
MAKERS |= {f"{name}+Δ+ΔΔ": lambda kind=kind: Deltas(kind(), 2) for name, kind in KINDS.items()}


@pytest.fixture(params=MAKERS)
def features(request):
    return MAKERS[request.param]()


@pytest.fixture(params=KINDS)
def kind(request):
    return KINDS[request.param]


def noise(samples, seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


def test_a_row_is_float32_and_as_wide_as_announced(features):
    matrix = features(noise(4000))
    assert matrix.dtype == np.float32 and matrix.shape[1] == features.dimension


@pytest.mark.parametrize("samples", [400, 401, 559, 560, 719, 720, 16_000, 41_359, 41_360, 100_000])
def test_only_whole_windows_make_a_frame(features, samples):
    matrix = features(noise(samples))
    assert len(matrix) == 1 + (samples - WIDTH) // STEP == frames(samples, RATE, features.window, features.shift)


def test_rate_window_and_shift_can_be_read(features):
    assert (features.rate, features.window, features.shift) == (16_000, 0.025, 0.010)


@pytest.mark.parametrize("samples", [0, 1, 399])
def test_less_than_a_window_is_refused_with_what_there_is_and_what_it_takes(features, samples):
    message = rf"^{samples} samples \([0-9.]+ ms\) are shorter than one window of 400 \(25 ms\); .*longer"
    with pytest.raises(InputError, match=message):
        features(noise(samples))


@pytest.mark.parametrize("later", [1, 2, 255, 256, 300])
def test_a_frame_follows_from_its_own_samples_wherever_it_stands(kind, later):
    samples = noise(80_000)
    np.testing.assert_array_equal(kind()(samples)[later:], kind()(samples[later * STEP :]))


def test_what_follows_a_frame_changes_nothing_in_it(kind):
    samples = noise(8000)
    longer = np.concatenate([samples, noise(8000, seed=1)])
    alone = kind()(samples)
    np.testing.assert_array_equal(kind()(longer)[: len(alone)], alone)


def test_the_same_samples_give_the_same_bytes(features):
    assert features(noise(8000)).tobytes() == features(noise(8000)).tobytes()


def test_the_samples_are_left_as_they_were(features):
    samples = noise(8000)
    samples.flags.writeable = False
    features(samples)


def test_an_earlier_result_is_not_overwritten_by_a_later_call(features):
    first = features(noise(8000))
    before = first.copy()
    features(noise(8000, seed=1))
    np.testing.assert_array_equal(first, before)


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0, -1.0])
def test_silence_and_a_constant_are_finite(features, level):
    assert np.isfinite(features(np.full(4000, level, np.float32))).all()


def test_full_scale_square_waves_are_finite(features):
    assert np.isfinite(features(np.sign(noise(4000)))).all()


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.bool_, np.complex64])
def test_samples_that_are_no_floats_are_refused(features, dtype):
    with pytest.raises(AsrError, match=rf"{np.dtype(dtype)} of shape \(4000,\); pass .* floats in \[-1, 1\]"):
        features(np.ones(4000, dtype))


def test_several_channels_are_refused(features):
    with pytest.raises(AsrError, match=r"float32 of shape \(2, 4000\); pass one channel"):
        features(np.zeros((2, 4000), np.float32))


def test_double_precision_is_taken_too(features):
    samples = noise(4000)
    np.testing.assert_array_equal(features(samples.astype(np.float64)), features(samples))


def test_every_other_sample_of_an_array_is_taken_as_its_copy(features):
    samples = noise(8000)
    np.testing.assert_array_equal(features(samples[::2]), features(samples[::2].copy()))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
def test_samples_that_lead_to_no_number_are_refused(features, value):
    samples = noise(4000)
    samples[2000] = value
    with pytest.raises(InputError, match=r"samples reach (nan|inf|1e\+30), features are not finite; scale"):
        features(samples)


def test_equal_settings_are_equal_and_others_differ(kind):
    assert kind().settings == kind().settings != kind(shift=0.005).settings
    assert Deltas(kind(), 1).settings != Deltas(kind(), 2).settings != kind().settings
    assert all(kind().settings["kind"] == name for name, kind in KINDS.items())


def test_every_setting_is_among_the_settings_and_changes_them(kind):
    for name, (default, limits) in of(kind).items():
        assert kind().settings[name] == default
        changed = other(default, limits)
        if changed is None:
            continue
        try:
            settings = kind(**{name: changed}).settings
        except AsrError as error:  # it may not go together with another setting's default
            assert str(error).startswith("features: ")
        else:
            assert settings[name] == changed and settings != kind().settings


def other(default, limits):
    """Another valid value of a setting, near its default; None where its type does not tell one."""
    if isinstance(default, bool):
        return not default
    step = {int: 1, float: 0.001}.get(type(default))
    return step and (default + step if default + step <= limits["high"] else default - step)


def test_every_setting_has_a_help_text_and_refuses_what_has_another_type_or_no_bound(kind):
    for name, (default, limits) in of(kind).items():
        assert limits["help"]
        with pytest.raises(AsrError, match=f"^features: {name} = '': must be "):
            kind(**{name: "" if not isinstance(default, str) else 3})
        if isinstance(default, int | float) and not isinstance(default, bool):
            for value in (10**400, -(10**400), 10**20, 1e308, float("nan"), float("inf")):
                with pytest.raises(AsrError, match=f"^features: {name} = .*: must be "):
                    kind(**{name: value})


def test_features_travel_between_processes(features):
    again = pickle.loads(pickle.dumps(features))
    np.testing.assert_array_equal(again(noise(4000)), features(noise(4000)))


def test_the_kind_names_its_source(kind):
    assert "Source:" in kind.__doc__


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rate": 0}, r"rate = 0: must be at least 100 and at most 384000"),
        ({"window": -0.025}, r"window = -0.025: must be above 0"),
        ({"window": 0.0001}, r"window = 0.0001: must be from 2 to 65536 samples, and is 1"),
        ({"window": 10}, r"window = 10.0: must be from 2 to 65536 samples, and is 160000"),
        ({"shift": 0.0}, r"shift = 0.0: must be above 0"),
        ({"shift": 0.00001}, r"shift = 1e-05: is less than a sample at 16000 Hz; use seconds, such as 0.01"),
        ({"shift": 0.05}, r"shift = 0.05: must not exceed the window, 0.025 s"),
    ],
)
def test_an_invalid_setting_is_named_with_its_value_and_the_remedy(kind, settings, message):
    with pytest.raises(AsrError, match=f"^features: {message}"):
        kind(**settings)


@settings(max_examples=60, deadline=None)
@given(
    samples=st.integers(0, 5000),
    rate=st.sampled_from([8000, 11_025, 16_000, 22_050, 44_100]),
    window=st.floats(0.005, 0.05),
    shift=st.floats(0.002, 0.03),
)
def test_the_number_of_frames_is_that_of_the_windows_that_fit(samples, rate, window, shift):
    width, step = int(window * rate + 1e-6), int(shift * rate + 1e-6)
    counted = sum(1 for start in range(0, samples, step) if start + width <= samples)
    assert frames(samples, rate, window, shift) == counted


@pytest.mark.parametrize("rate", [8000, 11_025, 22_050, 48_000])
def test_other_rates_and_windows_give_as_many_frames_as_fit(kind, rate):
    features = kind(rate=rate, window=0.032, shift=0.0125)
    matrix = features(noise(rate))
    assert matrix.shape == (frames(rate, rate, 0.032, 0.0125), features.dimension) and np.isfinite(matrix).all()
