import copy
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from asr.cells import recurrence
from asr.cells.lstm import LSTM


def both(features=7, hidden=5, dtype=torch.float32):
    torch.manual_seed(1)
    ours = LSTM(features, hidden).to(dtype)
    theirs = nn.LSTM(features, hidden, batch_first=True, bidirectional=True).to(dtype)
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
    (13, 40, [300, 211, 299, 5]),  # several stretches
    (80, 40, [40] * 7),
    (3, 33, [1]),
    (16, 64, [9] * 70 + [6] * 70),  # a step of more rows than a stretch
    (123, 130, [20, 18]),
]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("features", "hidden", "lengths"), SHAPES)
def test_outputs_and_gradients_are_those_of_torch_on_packed_sequences(features, hidden, lengths, dtype):
    ours, theirs = both(features, hidden, dtype)
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


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_route_is_chosen_by_device_and_type(dtype, monkeypatch):
    ours, _ = both(dtype=dtype)
    taken = []
    for route in ("_packed", "_fused", "_reversed"):
        original = getattr(ours, route)
        monkeypatch.setattr(ours, route, lambda *args, r=route, o=original: taken.append(r) or o(*args))
    assert ours(numbers(2, 12, 7, dtype=dtype), torch.tensor([12, 5])).dtype == dtype
    assert taken == ["_reversed" if dtype == torch.bfloat16 else "_fused"]


@pytest.mark.parametrize("route", ["_packed", "_reversed"])
def test_the_other_routes_give_the_same(route):
    ours, _ = both()
    lengths = torch.tensor([12, 5])
    inputs = numbers(2, 12, 7)
    torch.testing.assert_close(getattr(ours, route)(inputs, lengths), ours(inputs, lengths), atol=1e-6, rtol=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_gives_what_the_cpu_gives():
    ours, _ = both()
    lengths = torch.tensor([12, 5])
    inputs = torch.randn(2, 12, 7)
    there = ours.cuda()(inputs.cuda(), lengths.cuda()).cpu()
    torch.testing.assert_close(there, ours.cpu()(inputs, lengths), atol=1e-5, rtol=0)


def test_an_utterance_has_the_same_bits_alone_and_in_any_company():
    ours, _ = both(13, 40)
    lengths = torch.tensor([50, 31, 44, 50, 7, 18, 29])
    inputs = numbers(7, 50, 13)
    together = ours(inputs, lengths)
    for b, n in enumerate(lengths.tolist()):
        assert torch.equal(together[b, :n], ours(inputs[b : b + 1, :n], lengths[b : b + 1])[0])


def test_the_number_of_threads_changes_no_bit(monkeypatch):
    ours, _ = both(13, 40)
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
    recurrence._both(lambda side: ran.update({side: threading.current_thread()}), 2)
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
def test_a_forked_process_has_a_thread_of_its_own():
    code = """if True:
        import os, signal, numpy as np
        from asr.cells import recurrence
        ran = []
        recurrence._both(ran.append, 2)
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            recurrence._both(ran.append, 2)
            os._exit(0 if sorted(ran) == [0, 0, 1, 1] else 1)
        assert os.waitpid(child, 0)[1] == 0
    """
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)


def test_memory_is_used_again_but_by_nobody_else_while_it_is_needed():
    ours, _ = both(13, 40)
    lengths = torch.tensor([50, 31])
    one, two = numbers(2, 50, 13), numbers(2, 50, 13, seed=3)
    expected = [gradients(ours, lambda x: ours(x, lengths), inputs, 1.0)[2:] for inputs in (one, two)]
    losses = [ours(inputs, lengths).sum() for inputs in (one, two)]  # both alive at once
    found = [torch.autograd.grad(loss, list(ours.parameters())) for loss in losses]
    for mine, theirs in zip(found, expected, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(mine, theirs, strict=True))


def test_a_record_takes_the_memory_of_one_that_is_gone_and_of_no_other(monkeypatch):
    monkeypatch.setattr(recurrence, "_free", [])
    one = recurrence._record(10, 8, np.float32)
    two = recurrence._record(10, 8, np.float32)
    place = one.ctypes.data
    assert place % 64 == two.ctypes.data % 64 == 0 and not np.shares_memory(one, two)
    del one
    three = recurrence._record(4, 8, np.float64)
    assert three.ctypes.data == place and recurrence._free == []
    del three
    recurrence._record(100, 8, np.float32)
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


def test_a_second_pass_back_needs_to_be_asked_for_and_then_gives_the_same():
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
def test_without_gradients_the_bits_are_the_same_and_nothing_is_kept(mode, monkeypatch):
    ours, _ = both(13, 40)
    lengths = torch.tensor([300, 250])
    inputs = numbers(2, 300, 13)
    expected = ours(inputs, lengths)
    kept = []
    original = recurrence.forward
    monkeypatch.setattr(recurrence, "forward", lambda *args: kept.append(original(*args)))
    with mode():
        assert torch.equal(ours(inputs, lengths), expected)
    assert kept == [None]


def test_what_is_no_number_stays_visible():
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


def test_the_walks_need_no_torch(monkeypatch):
    """A cell of plain NumPy, as a program without torch would have it, beside torch's."""
    from asr.cells.lstm_gates import KERNEL

    ours, _ = both()
    inputs, lengths = numbers(2, 12, 7), torch.tensor([12, 5])
    names = ("weight_ih_l0", "weight_hh_l0")
    weights = [
        recurrence.Weights(
            *(getattr(ours, name + side).detach().numpy() for name in names),
            (getattr(ours, "bias_ih_l0" + side) + getattr(ours, "bias_hh_l0" + side)).detach().numpy(),
        )
        for side in ("", "_reverse")
    ]
    outputs = np.empty((2, 12, 10), np.float32)
    assert recurrence.forward(KERNEL, inputs.numpy(), lengths.numpy(), weights, outputs, False, 1) is None
    assert np.array_equal(outputs, ours(inputs, lengths).detach().numpy())


def test_the_packed_route_takes_the_type_that_autocast_wants():
    """Not float16, which autocast would choose for a recurrent call, and in which small gradients vanish."""
    torch.manual_seed(3)
    cell, inputs, lengths = LSTM(5, 8), torch.randn(3, 9, 5, requires_grad=True), torch.tensor([9, 4, 7])
    with torch.autocast("cpu", torch.bfloat16):
        outputs = cell._packed(inputs, lengths)
    assert outputs.dtype == torch.bfloat16
    outputs.float().sum().backward()
    assert inputs.grad.dtype == cell.weight_hh_l0.grad.dtype == torch.float32
    assert torch.allclose(outputs.float(), cell._packed(inputs, lengths), atol=0.03)
