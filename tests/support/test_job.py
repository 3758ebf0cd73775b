from asr.support import job


def test_alone_it_is_the_first_of_one(monkeypatch):
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    assert job.place() == (0, 1, 0, 1)


def test_what_others_left_in_the_environment_is_not_believed(monkeypatch):
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    monkeypatch.setenv("RANK", "3")
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert job.place() == job.Place()


def test_torchrun_says_where_it_stands(monkeypatch):
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    for name, value in zip((*names, "TORCHELASTIC_RUN_ID"), ("3", "4", "1", "2", "none"), strict=True):
        monkeypatch.setenv(name, value)
    assert job.place() == job.Place(rank=3, size=4, local_rank=1, local_size=2)
