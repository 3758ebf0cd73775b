"""The cells whose walks we compile, beside torch's own layers and beside the same walks in plain NumPy."""

import copy
import os
import signal
import subprocess
import sys
import threading
from functools import cache

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from asr.cells import CELLS, fused, layer, recurrence, reference
from asr.cells.arrays import Weights

TORCH = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


def both(features=7, hidden=5, dtype=torch.float32, name="lstm"):
    torch.manual_seed(1)
    ours = CELLS[name](features, hidden).to(dtype)
    theirs = TORCH[name](features, hidden, batch_first=True, bidirectional=True).to(dtype)
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


def run(theirs, inputs, lengths):
    packed = pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False)
    return pad_packed_sequence(theirs(packed)[0], batch_first=True, total_length=inputs.shape[1])[0]


def numbers(*shape, seed=2, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def gradients(cell, call, inputs, weight):
    cell.zero_grad()
    inputs = inputs.clone().requires_grad_()
    outputs = call(inputs)
    (outputs * weight).sum().backward()
    return [outputs.detach(), inputs.grad, *(parameter.grad.clone() for parameter in cell.parameters())]


SHAPES = [
    (7, 5, [30, 30, 30]),
    (7, 5, [30, 1, 17]),
    (7, 5, [1, 1, 2]),
    (1, 1, [3]),
    (13, 40, [300, 211, 299, 5]),  # several chunks
    (80, 40, [40] * 7),
    (3, 33, [1]),
    (16, 64, [9] * 70 + [6] * 70),  # a step of more rows than a chunk
    (123, 130, [20, 18]),
]


def test_every_cell_that_torch_has_is_compared_with_torch():
    assert TORCH.keys() == {name for name, cell in CELLS.items() if issubclass(cell, layer.TorchLayer)}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("features", "hidden", "lengths"), SHAPES)
@pytest.mark.parametrize("name", TORCH)
def test_outputs_and_gradients_are_those_of_torch_on_packed_sequences(name, features, hidden, lengths, dtype):
    ours, theirs = both(features, hidden, dtype, name)
    frames = max(lengths) + 1
    lengths = torch.tensor(lengths)
    inputs = numbers(len(lengths), frames, features, dtype=dtype)
    weight = numbers(len(lengths), frames, 2 * hidden, seed=3, dtype=dtype)
    mine = gradients(ours, lambda x: ours(x, lengths), inputs, weight)
    reference = gradients(theirs, lambda x: run(theirs, x, lengths), inputs, weight)
    exact = dtype == torch.float64
    torch.testing.assert_close(mine[0], reference[0], atol=1e-14 if exact else 1e-6, rtol=0)
    for one, other in zip(mine[1:], reference[1:], strict=True):
        scale = max(1.0, float(other.abs().max()))
        torch.testing.assert_close(one / scale, other / scale, atol=1e-14 if exact else 1e-5, rtol=0)


@pytest.mark.parametrize("name", TORCH)
@pytest.mark.parametrize(("features", "hidden", "lengths"), [(7, 5, [30, 1, 17]), (16, 24, [9] * 70 + [6] * 70)])
def test_outputs_and_gradients_are_those_of_the_reference_walks(name, features, hidden, lengths):
    ours, _ = both(features, hidden, torch.float64, name)
    inputs = numbers(len(lengths), max(lengths), features, dtype=torch.float64)
    grad_outputs = numbers(len(lengths), max(lengths), 2 * hidden, seed=3, dtype=torch.float64)
    weights = [[weight.detach().requires_grad_() for weight in ours._as_sums(*mine)] for mine in ours._weights()]
    asked = inputs.clone().requires_grad_()
    outputs = fused.fused(ours.equations, asked, torch.tensor(lengths), weights)
    outputs.backward(grad_outputs)
    for side, mine in enumerate(weights):
        plain = Weights(*(weight.detach().numpy() for weight in mine))
        total = Weights(*map(np.zeros_like, plain))
        half = slice(side * hidden, (side + 1) * hidden)
        for row, length in enumerate(lengths):
            order = np.arange(length)[:: 1 if side == 0 else -1]
            x = inputs[row].numpy()[order]
            expected, saved = reference.forward(ours.equations, x, plain)
            assert np.allclose(outputs[row].detach().numpy()[order, half], expected, atol=1e-14, rtol=0)
            grads = reference.backward(ours.equations, x, plain, saved, grad_outputs[row].numpy()[order, half])[1]
            for one, other in zip(total, grads, strict=True):
                one += other
        for weight, expected in zip(mine, total, strict=True):
            assert np.allclose(weight.grad.numpy(), expected, atol=1e-13 * max(1.0, np.abs(expected).max()), rtol=0)


@pytest.mark.parametrize("name", TORCH)
def test_the_reference_walks_gradient_of_the_inputs_is_that_of_torch(name):
    ours, _ = both(3, 4, torch.float64, name)
    inputs = numbers(1, 6, 3, dtype=torch.float64).requires_grad_()
    weight = numbers(6, 4, seed=3, dtype=torch.float64)
    one_way = ours._one_way(inputs, ours._weights()[0])
    (gradient,) = torch.autograd.grad((one_way[0] * weight).sum(), inputs)
    plain = Weights(*(w.detach().numpy() for w in ours._as_sums(*ours._weights()[0])))
    outputs, saved = reference.forward(ours.equations, inputs[0].detach().numpy(), plain)
    found, _ = reference.backward(ours.equations, inputs[0].detach().numpy(), plain, saved, weight.numpy())
    assert np.allclose(outputs, one_way[0].detach().numpy(), atol=1e-14, rtol=0)
    assert np.allclose(found, gradient[0].numpy(), atol=1e-14, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_route_is_chosen_by_device_and_type(dtype, monkeypatch):
    ours, _ = both(dtype=dtype)
    taken = []
    for route in ("_packed", "_fused", "_reversed"):
        original = getattr(ours, route)
        monkeypatch.setattr(ours, route, lambda *args, r=route, o=original: taken.append(r) or o(*args))
    assert ours(numbers(2, 12, 7, dtype=dtype), torch.tensor([12, 5])).dtype == dtype
    assert taken == ["_reversed" if dtype == torch.bfloat16 else "_fused"]


@pytest.mark.parametrize("name", TORCH)
@pytest.mark.parametrize("route", ["_packed", "_reversed"])
def test_the_other_routes_give_the_same(route, name):
    ours, _ = both(name=name)
    lengths = torch.tensor([12, 5])
    inputs = numbers(2, 12, 7)
    found = getattr(ours, route)(inputs, lengths, ours._weights())
    torch.testing.assert_close(found, ours(inputs, lengths), atol=1e-6, rtol=0)


def broken_module(monkeypatch):
    monkeypatch.setitem(sys.modules, "asr.cells.walks", None)  # as if what it imports of Numba were missing


def broken_walk(monkeypatch):
    import numba

    from asr.cells import walks

    monkeypatch.setattr(walks, "forward_walk", lambda equations: numba.njit(lambda *arguments: object()))


@pytest.mark.parametrize("broken", [broken_module, broken_walk])
@pytest.mark.parametrize("name", TORCH)
def test_where_the_walks_do_not_compile_torch_is_used_and_one_line_says_so(name, broken, monkeypatch, capsys):
    ours, _ = both(name=name)
    lengths, inputs = torch.tensor([12, 5]), numbers(2, 12, 7)
    expected = gradients(ours, lambda x: ours(x, lengths), inputs, 1.0)
    monkeypatch.setattr(fused, "_walks", cache(fused._walks.__wrapped__))
    monkeypatch.setattr(layer, "works", cache(fused.works.__wrapped__))
    broken(monkeypatch)
    for _ in range(2):
        found = gradients(ours, lambda x: ours(x, lengths), inputs, 1.0)
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("recurrent cells: numba ") and said.endswith("; using torch, slower")
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=0)


def test_without_compilation_torch_is_used_in_silence():
    code = """if True:
        import sys, torch
        from asr import ctc
        from asr.cells import CELLS
        for cell in CELLS.values():
            inputs = torch.ones(2, 4, 3, requires_grad=True)
            outputs = cell(3, 4)(inputs, torch.tensor([4, 2]))
            batch = (torch.tensor(one) for one in ([4, 2], [[1, 2], [2, 0]], [2, 1]))
            losses = ctc.loss(outputs.log_softmax(-1), *batch)
            losses.sum().backward()
            assert torch.isfinite(inputs.grad).all() and not inputs.grad[1, 2:].any()
            assert [span[:2] for span in ctc.align(outputs[0].detach(), [1])]
    """
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", TORCH)
def test_an_utterance_has_the_same_bits_alone_and_in_any_batch(name):
    ours, _ = both(13, 40, name=name)
    lengths = torch.tensor([50, 31, 44, 50, 7, 18, 29])
    inputs = numbers(7, 50, 13)
    together = ours(inputs, lengths)
    for b, n in enumerate(lengths.tolist()):
        assert torch.equal(together[b, :n], ours(inputs[b : b + 1, :n], lengths[b : b + 1])[0])


@pytest.mark.parametrize("name", TORCH)
def test_the_number_of_threads_changes_no_bit(name, monkeypatch):
    ours, _ = both(13, 40, name=name)
    lengths = torch.tensor([50, 31, 44])
    inputs, weight = numbers(3, 50, 13), numbers(3, 50, 80, seed=3)
    found = []
    for count in (1, 2, 2):
        monkeypatch.setattr(recurrence, "threads", lambda count=count: count)
        found.append(gradients(ours, lambda x: ours(x, lengths), inputs, weight))
    for one, two, again in zip(*found, strict=True):
        assert torch.equal(one, two) and torch.equal(two, again)


def test_the_second_direction_has_a_thread_of_its_own_unless_one_is_asked_for(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1}, raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert recurrence.threads() == 2
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert recurrence.threads() == 1
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0}, raising=False)
    assert recurrence.threads() == 1
    ran = {}
    recurrence._each(lambda side: ran.update({side: threading.current_thread()}), 2, 2)
    assert ran[0] is threading.current_thread() and ran[1] is not ran[0]


def test_two_callers_at_once_get_what_each_gets_alone(monkeypatch):
    monkeypatch.setattr(recurrence, "threads", lambda: 2)
    cells = [both(13, hidden)[0] for hidden in (40, 24)]
    lengths = torch.tensor([60, 41])
    inputs = numbers(2, 60, 13)

    def call(cell):
        return gradients(cell, lambda x: cell(x, lengths), inputs, 1.0)

    alone = [call(cell) for cell in cells]
    found = {0: [], 1: []}
    threads = [threading.Thread(target=lambda i=i: found[i].extend(call(cells[i]) for _ in range(10))) for i in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in (0, 1):
        assert len(found[i]) == 10
        assert all(torch.equal(a, b) for run in found[i] for a, b in zip(run, alone[i], strict=True))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_forked_process_starts_a_thread_of_its_own():
    ran = []
    recurrence._each(ran.append, 2, 2)
    child = os.fork()
    if child == 0:
        try:
            signal.alarm(20)
            recurrence._each(ran.append, 2, 2)
        finally:
            os._exit(0 if sorted(ran) == [0, 0, 1, 1] else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_memory_is_reused_but_not_while_it_is_needed():
    ours, _ = both(13, 40)
    lengths = torch.tensor([50, 31])
    one, two = numbers(2, 50, 13), numbers(2, 50, 13, seed=3)
    expected = [gradients(ours, lambda x: ours(x, lengths), inputs, 1.0)[2:] for inputs in (one, two)]
    losses = [ours(inputs, lengths).sum() for inputs in (one, two)]  # both alive at once
    found = [torch.autograd.grad(loss, list(ours.parameters())) for loss in losses]
    for mine, theirs in zip(found, expected, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(mine, theirs, strict=True))


def test_a_record_reuses_the_memory_of_one_that_is_gone_and_of_no_other(monkeypatch):
    monkeypatch.setattr(recurrence, "_free", [])
    one = recurrence._reused(10, 8, np.float32)
    two = recurrence._reused(10, 8, np.float32)
    place = one.ctypes.data
    assert place % 64 == two.ctypes.data % 64 == 0 and not np.shares_memory(one, two)
    del one
    three = recurrence._reused(4, 8, np.float64)
    assert three.ctypes.data == place and recurrence._free == []
    del three
    recurrence._reused(100, 8, np.float32)
    assert [len(raw) for raw in recurrence._free] == [100 * 8 * 4 + 64]


def test_inputs_that_are_not_contiguous_or_need_no_gradient_give_the_same_gradients_of_the_weights():
    ours, _ = both()
    lengths = torch.tensor([12, 5])
    inputs = numbers(2, 12, 7)
    reference = gradients(ours, lambda x: ours(x, lengths), inputs, 1.0)
    ours.zero_grad()
    ours(inputs.transpose(0, 1).contiguous().transpose(0, 1), lengths).sum().backward()
    for one, other in zip(ours.parameters(), reference[2:], strict=True):
        assert torch.equal(one.grad, other)


def test_frozen_weights_get_no_gradient_and_the_inputs_theirs():
    ours, _ = both()
    lengths = torch.tensor([12, 5])
    inputs = numbers(2, 12, 7)
    reference = gradients(ours, lambda x: ours(x, lengths), inputs, 1.0)
    frozen = copy.deepcopy(ours).requires_grad_(False)
    inputs.requires_grad_()
    frozen(inputs, lengths).sum().backward()
    assert torch.equal(inputs.grad, reference[1])
    assert all(parameter.grad is None for parameter in frozen.parameters())


def test_a_second_backward_pass_must_be_asked_for_and_gives_the_same():
    ours, _ = both()
    inputs = numbers(2, 12, 7).requires_grad_()
    loss = ours(inputs, torch.tensor([12, 5])).sum()
    (one,) = torch.autograd.grad(loss, inputs, retain_graph=True)
    (two,) = torch.autograd.grad(loss, inputs)
    assert torch.equal(one, two)
    with pytest.raises(RuntimeError, match="second time"):
        torch.autograd.grad(loss, inputs)


def test_derivatives_of_derivatives_are_refused():
    ours, _ = both()
    inputs = numbers(2, 12, 7).requires_grad_()
    (gradient,) = torch.autograd.grad(ours(inputs, torch.tensor([12, 5])).square().sum(), inputs, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad])
def test_without_gradients_the_bits_are_the_same_and_nothing_is_saved(mode, monkeypatch):
    ours, _ = both(13, 40)
    lengths = torch.tensor([300, 250])
    inputs = numbers(2, 300, 13)
    expected = ours(inputs, lengths)
    with mode():
        ours(inputs, lengths)  # compiled
    kept = []
    original = recurrence.forward
    monkeypatch.setattr(recurrence, "forward", lambda *args: kept.append(original(*args)))
    with mode():
        assert torch.equal(ours(inputs, lengths), expected)
    assert kept == [None]


def test_nan_reaches_every_later_output_of_its_utterance_and_no_other():
    ours, _ = both()
    inputs = numbers(2, 12, 7)
    inputs[0, 3, 2] = float("nan")
    outputs = ours(inputs, torch.tensor([12, 5]))
    assert outputs[0, 3:, :5].isnan().all() and outputs[0, :4, 5:].isnan().all()
    assert not outputs[1].isnan().any()


@pytest.mark.parametrize("scale", [5, 20, 1e4, 1e30])
def test_large_sums_saturate_where_those_of_torch_do(scale):
    ours, theirs = both()
    with torch.no_grad():
        for parameter in ours.parameters():
            if parameter.dim() == 1:
                parameter.mul_(scale)
    theirs.load_state_dict(ours.state_dict())
    inputs, lengths = torch.zeros(2, 12, 7), torch.tensor([12, 5])
    torch.testing.assert_close(ours(inputs, lengths), run(theirs, inputs, lengths), atol=1e-6, rtol=0)


@pytest.mark.parametrize("lengths", [[12, 0], [13, 5], [12], [12, 5, 5], [-1, 5]])
def test_lengths_that_do_not_fit_are_refused(lengths):
    ours, _ = both()
    with pytest.raises(ValueError, match=r"^lengths: "):
        ours(numbers(2, 12, 7), torch.tensor(lengths))


def test_inputs_of_another_width_or_type_are_refused():
    ours, _ = both()
    with pytest.raises(ValueError, match=r"^weights: "):
        ours(numbers(2, 12, 6), torch.tensor([12, 5]))
    with pytest.raises(ValueError, match="one type for all"):
        ours(numbers(2, 12, 7).double(), torch.tensor([12, 5]))


def test_numba_is_imported_by_the_first_call_and_not_before():
    code = """if True:
        import sys, torch
        from asr.cells import CELLS
        cell = CELLS["lstm"](3, 4)
        assert "numba" not in sys.modules
        cell(torch.zeros(1, 2, 3), torch.tensor([2]))
        assert "numba" in sys.modules
    """
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_walks_need_no_torch():
    """Plain NumPy arrays, as a program without torch would have them, beside torch's."""
    from asr.cells.walks import walks

    ours, _ = both()
    inputs, lengths = numbers(2, 12, 7), torch.tensor([12, 5])
    weights = [Weights(*(w.detach().numpy() for w in ours._as_sums(*half))) for half in ours._weights()]
    outputs = np.empty((2, 12, 10), np.float32)
    arrays = inputs.numpy(), lengths.numpy(), weights, outputs
    assert recurrence.forward(walks(ours.equations), *arrays, False, 1) is None
    assert np.array_equal(outputs, ours(inputs, lengths).detach().numpy())
