"""What every decoder of the table promises."""

from dataclasses import replace

import numpy as np
import pytest

from asr.cli.options import DecoderCommand
from asr.decoders import DECODERS, Hypothesis, Search
from asr.errors import AsrError
from asr.evaluation.results import RESERVED
from asr.support.settings import checked, declared
from asr.units import Units

UNITS = 6
FILES = {"lexicon": "".join(f"{letter}  /{letter}/\n" for letter in "abcde")}  # by the setting that requires them


@pytest.fixture(params=sorted(DECODERS))
def decoder(request, tmp_path):
    """Build each decoder over five letters, with its defaults and the files that it requires."""
    return made(request.param, tmp_path).build(Units.of("characters", "abcde"))


def made(name, folder):
    """Return an entry's settings; every setting that requires a file gets one."""
    required = [key for key, one in declared(DECODERS[name]).items() if one.metadata["required"]]
    for key in required:
        (folder / key).write_text(FILES[key])
    return DECODERS[name](**{key: folder / key for key in required})


def emissions(frames, seed=0):
    return np.log(np.random.default_rng(seed).dirichlet(np.full(UNITS, 0.3), frames)).astype(np.float32)


def clear(path):
    """Log-probs of a speaker who leaves little doubt."""
    log_probs = np.full((len(path), UNITS), np.log(0.01))
    log_probs[np.arange(len(path)), path] = np.log(1 - 0.01 * (UNITS - 1))
    return log_probs.astype(np.float32)


def test_there_is_always_a_hypothesis(decoder):
    for frames in (0, 1, 2, 50):
        found = decoder(emissions(frames))
        assert found and all(isinstance(hypothesis, Hypothesis) for hypothesis in found)


def test_no_frame_has_the_empty_labelling_with_certainty(decoder):
    assert decoder(emissions(0)) == [Hypothesis((), 0.0)]


def test_a_clear_labelling_is_found(decoder):
    best = decoder(clear([0, 3, 3, 0, 3, 1, 0, 0, 5]))[0]
    assert best.ids == (3, 3, 1, 5)
    assert best.frames == ((1, 3), (4, 5), (5, 6), (8, 9))


def test_hypotheses_are_best_first_of_plain_ids_and_never_blank(decoder):
    found = decoder(emissions(80))
    assert [h.score for h in found] == sorted((h.score for h in found), reverse=True)
    for h in found:
        assert all(type(id) is int and 0 < id < UNITS for id in h.ids)
        assert all(type(value) is float for value in (h.score, h.acoustic, h.language, *h.confidence))


def test_every_id_has_frames_in_order_within_the_utterance(decoder):
    for h in decoder(emissions(80)):
        borders = [border for span in h.frames for border in span]
        assert len(h.frames) == len(h.ids)
        assert borders == sorted(borders) and set(borders) <= set(range(81))
        assert all(type(border) is int for border in borders)
        assert all(start < end for start, end in h.frames)


def test_confidences_are_probabilities_one_for_each_id_or_none(decoder):
    for h in decoder(emissions(80)):
        assert len(h.confidence) in (0, len(h.ids))
        assert all(0.0 <= value <= 1.0 for value in h.confidence)


def test_an_impossible_unit_is_never_heard(decoder):
    log_probs = emissions(60)
    log_probs[:, 2] = -np.inf
    assert all(2 not in h.ids for h in decoder(log_probs))


def test_the_same_log_probs_give_the_same_hypotheses_in_any_float_type_and_are_left_alone(decoder):
    log_probs = emissions(60)
    before = log_probs.copy()
    found = decoder(log_probs)
    assert decoder(log_probs) == found
    assert [h.ids for h in decoder(log_probs.astype(np.float64))] == [h.ids for h in found]
    assert np.array_equal(log_probs, before)


@pytest.fixture(params=sorted(DECODERS))
def name(request):
    return request.param


def test_an_entry_names_itself_and_explains_every_setting(name):
    entry = DECODERS[name]
    assert entry.name == name and "Source:" in (entry.__doc__ or "") + (entry.build.__doc__ or "") + SEARCHES(entry)
    for setting, one in declared(entry).items():
        assert one.metadata["help"] and setting not in RESERVED and setting.islower()


def SEARCHES(entry):  # noqa: N802
    """Return the docstrings of the module in which an entry is declared."""
    import sys

    module = sys.modules[entry.__module__]
    return " ".join(value.__doc__ or "" for value in vars(module).values() if isinstance(value, type))


def test_what_may_be_tuned_has_its_default_among_the_values_to_try(name):
    fields = declared(DECODERS[name])
    for setting, values in DECODERS[name].tunable().items():
        assert fields[setting].default in values and len(set(values)) == len(values) > 1
        for value in values:
            assert checked(fields[setting].default, value, fields[setting].metadata, setting) == value


def test_a_value_out_of_range_or_of_another_type_is_refused_in_a_line(name, tmp_path):
    settings = made(name, tmp_path)
    for setting, one in declared(settings).items():
        wrong = [[], object(), float("nan"), 10**400, -(10**400), 1e308]
        for value in wrong if not one.metadata["file"] else [3, [], ""]:
            with pytest.raises(AsrError, match=f"^decoder '{name}': {setting} .*: must be ") as error:
                replace(settings, **{setting: value})
            assert "\n" not in str(error.value) and len(str(error.value)) < 250


def test_a_search_is_recorded_and_read_back(name, tmp_path):
    search = Search(made(name, tmp_path), tuned_on="a", tuned_for="b")
    search.save(tmp_path / "decoder.json")
    assert Search.load(tmp_path / "decoder.json") == search


def test_options_of_the_command_line_do_not_collide_with_settings(name):
    from asr.cli import COMMANDS

    for command in COMMANDS:
        if isinstance(command, DecoderCommand):
            own = {option for one in command.params for option in (one.name, *one.opts)}
            assert not own & {option for key in declared(DECODERS[name]) for option in (key, f"--{key}")}
