"""A delay line sees what is in its window, and nothing else."""

import numpy as np
import torch

from asr.memory import delay_lines, recall


def test_the_output_depends_on_the_window_only():
    net, inputs = recall.DelayNet(4, 3, 1), torch.randn(2, 9, 1, generator=torch.Generator().manual_seed(1))
    changed = inputs.clone()
    changed[:, :5] = 7.0
    torch.testing.assert_close(net(changed), net(inputs), rtol=0, atol=0)
    changed[:, 5] = 7.0
    assert not torch.isclose(net(changed), net(inputs)).any()


def test_a_short_sequence_is_padded_with_silence():
    net, inputs = recall.DelayNet(6, 3, 1), torch.ones(1, 2, 1)
    padded = torch.cat([torch.zeros(1, 4, 1), inputs], dim=1)
    torch.testing.assert_close(net(inputs), net(padded), rtol=0, atol=0)


def test_it_learns_a_lag_inside_and_none_outside():
    settings = {"net": "delays", "window": 6, "hidden": 4, "updates": 150}
    inside, outside = (delay_lines.run(settings | {"lag": lag}, 1) for lag in (4, 8))
    assert inside["right"] > 0.95 and 0.4 < outside["right"] < 0.6
    assert inside["parameters"] == 4 * 7 + 5


def test_pulses_are_balanced_and_at_the_beginning():
    inputs, signs = recall.draw(np.random.default_rng(1), 400, 6)
    assert inputs.shape == (400, 7, 1) and abs(signs.mean()) < 0.15
    torch.testing.assert_close(inputs[:, 0, 0], signs)
    assert inputs[:, 1:].std().item() < 0.12
