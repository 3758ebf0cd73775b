"""The generators of sequences against the definitions of the tasks."""

import re
from functools import partial

import numpy as np
import pytest

from asr.memory import adding, copying, first_symbol, order, reber, spikes, two_sequences
from asr.memory.online import OnlineLearner

# Reber's grammar as a regular expression, written down apart from the automaton.
REBER = re.compile(r"B(?:TS*(?:XS|XXT*V(?:PXT*V)*(?:PS|V))|PT*V(?:PXT*V)*(?:PS|V))E")


def generator():
    return np.random.default_rng(5)


def parts(some):
    """Yield the inputs, as a dense array, and the target of each sequence."""
    for begin, end in zip([0, *some.ends[:-1]], some.ends, strict=True):
        yield some.active[begin:end], some.value[begin:end], some.target[begin:end], some.targeted[begin:end]


@pytest.mark.parametrize("product", [False, True], ids=["sum", "product"])
def test_marked_numbers_are_added_or_multiplied(product):
    some = adding.draw(generator(), 40, product, 300)
    once = 0
    for _, value, target, targeted in parts(some):
        numbers, marks = value.T
        assert 40 <= len(value) <= 44
        assert marks[0] == marks[-1] == -1
        marked = np.flatnonzero(marks == 1)
        assert set(marks[1:-1]) <= {0, 1} and len(marked) in (1, 2)
        assert min(numbers) >= (0 if product else -1) and max(numbers) <= 1
        assert marked.min() < 10 or len(marked) == 1
        assert marked.max() < 20
        once += len(marked) == 1  # the first pair would have been the other
        expected = numbers[marked].prod() if product else 0.5 + numbers[marked].sum() / 4
        assert target[-1] == pytest.approx(expected)
        assert targeted.tolist() == [False] * (len(value) - 1) + [True]
    assert 0 < once < 100


def test_the_recalled_symbol_was_the_first():
    for kind in "ab":
        for active, _, target, targeted in parts(first_symbol.draw(generator(), kind, 6, 0, 50)):
            whole = [*active[:, 0], target[-1].argmax()]
            assert whole[0] == whole[-1] in (5, 6)
            assert len(whole) == 7 and targeted.all()
            assert target.argmax(axis=1).tolist() == whole[1:]
            assert whole[1:-1] == list(range(5)) if kind == "a" else set(whole[1:-1]) <= set(range(5))


def test_after_e_the_symbol_after_b_is_due():
    lengths = []
    for active, _, target, targeted in parts(first_symbol.draw(generator(), "c", 5, 7, 2000)):
        begin, first, *middle, end = active[:, 0]
        assert (begin, end) == (5, 6) and first == 7 + target[-1].argmax()
        assert set(middle) <= set(range(5)) and len(middle) >= 7
        assert targeted.tolist() == [False] * (len(active) - 1) + [True]
        lengths.append(len(middle) - 7)
    assert np.mean(lengths) == pytest.approx(9, abs=0.7)  # of a geometric distribution
    assert np.mean(np.array(lengths) == 0) == pytest.approx(0.1, abs=0.03)


@pytest.mark.parametrize("kind", "abc")
def test_the_first_elements_tell_the_class(kind):
    some = two_sequences.draw(generator(), kind, 30, 3, 2000)
    firsts, others, targets = [], [], []
    for _, value, target, _ in parts(some):
        firsts.append(value[:3, 0])
        others.append(value[3:, 0])
        targets.append(target[-1, 0])
    firsts, targets = np.array(firsts), np.array(targets)
    classes = firsts.sum(axis=1) > 0
    low, high = (0.2, 0.8) if kind == "c" else (0.0, 1.0)
    near = np.mean(np.abs(targets - np.where(classes, high, low)) < 1e-9)
    assert near == 0 if kind == "c" else near > 0.99  # noise of 3b may change the sign of the sum
    if kind == "c":
        assert np.var(targets - np.where(classes, high, low)) == pytest.approx(0.1, rel=0.1)
    assert np.var(np.concatenate(others)) == pytest.approx(0.2, rel=0.05)
    assert np.var(np.abs(firsts)) == (pytest.approx(0.2, rel=0.2) if kind == "b" else 0)


@pytest.mark.parametrize("relevant", [2, 3])
def test_the_class_is_the_order_of_x_and_y(relevant):
    seen = set()
    for active, _, target, _ in parts(order.draw(generator(), relevant, 400)):
        text = active[:, 0]
        places = np.flatnonzero((text == order.X) | (text == order.Y))
        assert 100 <= len(text) <= 110 and len(places) == relevant
        assert (text[0], text[-1]) == (order.E, order.B) and text[1:-1].min() >= order.X
        for place, (low, high) in zip(places, order.PLACES[relevant], strict=True):
            assert low <= place <= high
        name = "".join("XY"[symbol - order.X] for symbol in text[places])
        seen.add((name, target[-1].argmax()))
    assert seen == {(format(n, f"0{relevant}b").replace("0", "X").replace("1", "Y"), n) for n in range(2**relevant)}


def test_strings_are_of_the_embedded_grammar():
    drawn = generator()
    for text, possible in [reber.embedded(drawn) for _ in range(500)]:
        assert text[0] == "B" and text[-1] == "E" and text[1] == text[-2] in "TP"
        assert REBER.fullmatch(text[2:-2])
        assert all(symbol in some for symbol, some in zip(text[1:], possible, strict=True))


def test_possible_symbols_are_those_that_follow_the_same_beginning():
    drawn = generator()
    strings = [reber.embedded(drawn) for _ in range(4000)]
    following = {}
    for text, _ in strings:
        for end in range(1, 7):
            following.setdefault(text[:end], set()).add(text[end])
    for text, possible in strings[:300]:
        for end in range(1, 7):
            assert set(possible[end - 1]) == following[text[:end]] or len(following[text[:end]]) == 1


def test_a_prediction_is_right_where_what_is_possible_is_most_active():
    possible = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1]])
    outputs = np.array([[0.3, 0.9, 0.2], [0.1, 0.9, 0.2], [0.1, 0.2, 0.3]])
    assert reber.wrong(outputs, possible).tolist() == [False, True, False]


def test_a_stream_is_strings_without_gaps():
    some, possible, due = reber.stream(generator(), 20)
    text = "".join(reber.SYMBOLS[symbol] for symbol in some.active[:, 0])
    following = [reber.SYMBOLS[symbol] for symbol in some.target.argmax(axis=1)]
    assert "".join(following[:-1]) == text[1:]
    for end, place in zip(some.ends, due, strict=True):
        assert text[end - 1] == "E" and following[place] == text[end - 2]
    assert possible[due].sum(axis=1).tolist() == [1] * 20


def test_a_spike_tells_how_long_it_was_awaited():
    lengths = set()
    for _, value, target, targeted in parts(spikes.draw(generator(), 4, 20)):
        assert value[:-1].max() == 0 and value[-1] == 1
        assert targeted.tolist() == [False] * (len(value) - 1) + [True]
        assert target[-1, 0] == len(value) - 4
        lengths.add(len(value))
    assert lengths == {4, 5}


def test_direct_weights_are_learned_before_there_is_a_cell():
    drawn = generator()
    learner = OnlineLearner(first_symbol.topology("a", 6), drawn, 0.2)
    outputs, hidden = learner.weights.outputs.copy(), learner.weights.hidden.copy()
    done = first_symbol._learn_direct(learner, partial(first_symbol.draw, drawn, "a", 6, 0), 1.0)
    assert done >= 2 * first_symbol.STRETCH
    assert (learner.weights.hidden == hidden).all() and (learner.weights.outputs[0] == outputs[0]).all()
    some = first_symbol.draw(drawn, "a", 6, 0, 20)
    learner.weights.outputs[0] = 0  # what the cell says
    errors = np.abs(some.target - learner.predict(some)).max(axis=1).reshape(20, 6)
    assert errors[:, :-1].max() < 0.25 < errors[:, -1].max()  # all but what only a cell can know


def test_what_is_copied_comes_after_the_mark():
    inputs, targets = copying.draw(generator(), 12, 5)
    assert inputs.shape == targets.shape == (5, 32)
    assert (inputs[:, :10] == targets[:, -10:]).all() and (targets[:, :-10] == copying.BLANK).all()
    assert (inputs == copying.MARK).sum(axis=1).tolist() == [1] * 5
    assert (inputs[:, 21] == copying.MARK).all() and inputs[:, :10].max() < 8
    assert copying.baseline(100) == pytest.approx(10 * np.log(8) / 120)
