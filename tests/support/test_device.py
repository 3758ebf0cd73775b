import pytest
import torch

from asr.errors import AsrError
from asr.support.device import choose_device, computing_on

CPU = torch.device("cpu")


def settings():
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    return torch.get_num_threads(), matmul.allow_tf32, cudnn.allow_tf32


def test_auto_is_cuda_if_available():
    best = "cuda" if torch.cuda.is_available() else "cpu"
    assert choose_device().split(":")[0] == choose_device("auto").split(":")[0] == best
    assert choose_device("cpu") == choose_device(CPU) == "cpu"


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "meta", ""])
def test_a_device_that_cannot_be_used_is_refused(name):
    with pytest.raises(AsrError, match=f"device '{name}': cannot be used .*; omit it, or use cpu, cuda or cuda:1"):
        choose_device(name)


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_torch_is_set_up_for_the_network_and_restored(two_threads):
    before = settings()
    with computing_on(CPU):
        assert settings() == (1, False, False)
    assert settings() == before and before[0] == 2


def test_torch_is_restored_after_an_error(two_threads):
    before = settings()
    with pytest.raises(ZeroDivisionError), computing_on(CPU):
        raise ZeroDivisionError
    assert settings() == before
