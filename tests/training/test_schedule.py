import pytest
import torch

from asr.training.schedule import one_cycle


@pytest.mark.parametrize(("steps", "warmup"), [(100, 0.3), (7, 0.5), (1, 0.3), (50, 0.0), (50, 1.0), (1900, 0.3)])
def test_the_schedule_matches_torch_onecyclelr(steps, warmup):
    parameter = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.AdamW([parameter], lr=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.01, total_steps=steps + 1, pct_start=warmup)
    for step in range(steps):
        rate, momentum = one_cycle(step, steps, 0.01, warmup)
        group = optimizer.param_groups[0]
        assert (rate, momentum) == pytest.approx((group["lr"], group["betas"][0]), rel=1e-9)
        optimizer.step()
        schedule.step()
