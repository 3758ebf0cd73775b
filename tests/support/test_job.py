from asr.support import job


def test_without_torchrun_there_is_one_process(monkeypatch):
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    assert job.world() == (0, 1, 0, 1)


def test_rank_variables_without_torchrun_are_ignored(monkeypatch):
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    monkeypatch.setenv("RANK", "3")
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert job.world() == job.World()


def test_torchrun_variables_are_read(monkeypatch):
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    for name, value in zip((*names, "TORCHELASTIC_RUN_ID"), ("3", "4", "1", "2", "none"), strict=True):
        monkeypatch.setenv(name, value)
    assert job.world() == job.World(rank=3, size=4, local_rank=1, local_size=2)
