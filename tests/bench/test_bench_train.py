from pathlib import Path


def test_the_training_bench_runs(monkeypatch, capsys):
    monkeypatch.syspath_prepend(Path(__file__).parent)
    import bench_train

    monkeypatch.setattr("sys.argv", ["bench_train.py", "--quick", "--threads", "1"])
    bench_train.main()
    assert capsys.readouterr().out.count("2×8") == 3  # a step, its parts, an epoch
