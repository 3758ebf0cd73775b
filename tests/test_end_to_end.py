"""The command line from outside: statuses, one-line errors, results on stdout."""

import contextlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr import bundle, config
from asr.cli import main


@dataclass
class Done:
    returncode: int
    stdout: str
    stderr: str


def asr(*arguments, cwd, stdin=b""):
    """Run the command line in this process: importing torch once is enough."""
    out, err = io.StringIO(), io.StringIO()
    before = Path.cwd(), sys.argv, sys.stdin, signal.getsignal(signal.SIGTERM)
    sys.argv, sys.stdin = ["asr", *map(str, arguments)], io.TextIOWrapper(io.BytesIO(stdin))
    os.chdir(cwd)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
        code = 0
    except SystemExit as stop:
        code = stop.code or 0
    finally:
        os.chdir(before[0])
        sys.argv, sys.stdin = before[1:3]
        signal.signal(signal.SIGTERM, before[3])
    return Done(code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="module")
def place(toy, tmp_path_factory):
    """A folder in which the toy corpus was prepared and a system trained by the command line."""
    folder = tmp_path_factory.mktemp("place")
    shutil.copytree(toy, folder / "data" / "toy")
    recipe = folder / "toy.toml"
    recipe.write_text(
        '[corpus]\nname = "toy"\n[units]\nkind = "characters"\nalphabet = "abcd"\n[encoder]\nhidden = 24\nlayers = 1\n'
        "[training]\nbatch = 4\nlearning_rate = 0.03\n"
    )
    done = asr("train", recipe, "--set", "training.epochs=12", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{Path('runs/toy/best.safetensors')}\n"
    assert (folder / "runs" / "toy" / "curves.png").read_bytes().startswith(b"\x89PNG")
    return folder


def test_evaluate_prints_the_rate_and_writes_its_witnesses(place):
    done = asr("evaluate", "runs/toy", "--set", "dev", "--set", "test", cwd=place)
    assert done.returncode == 0, done.stderr
    dev, test = done.stdout.splitlines()
    assert dev.startswith("dev  CER ") and test.startswith("test CER ") and "interval" in test
    assert "reference" in done.stderr and "hypothesis" in done.stderr
    result = json.loads((place / "runs/toy/test.json").read_text())
    assert {"seed", "commit", "command", "machine", "engine", "manifest_sha256", "bundle_sha256", "interval"} <= set(
        result
    )
    assert result["total"] == result["hits"] + result["substitutions"] + result["deletions"]
    details = [json.loads(line) for line in (place / "runs/toy/test.utterances.jsonl").read_text().splitlines()]
    assert sum(row["insertions"] for row in details) == result["insertions"] and len(details) == 12


def test_transcribe_prints_what_is_said(place):
    audio = place / "data/toy/test/00.wav"
    done = asr("transcribe", "--bundle", "runs/toy", audio, cwd=place)
    said = next(
        json.loads(x)["text"] for x in (place / "data/toy/test.jsonl").read_text().splitlines() if "test-00" in x
    )
    assert (done.returncode, done.stdout) == (0, f"{audio}\t{said}\n")


def test_transcribe_gives_times_as_json_and_reads_standard_input(place):
    audio = place / "data/toy/test/00.wav"
    done = asr(
        "transcribe", "--bundle", "runs/toy/best.safetensors", "--json", "-", cwd=place, stdin=audio.read_bytes()
    )
    row = json.loads(done.stdout)
    assert "".join(unit["unit"] for unit in row["units"]) == row["text"] != ""
    times = [(unit["start"], unit["end"]) for unit in row["units"]]
    assert all(start < end <= row["seconds"] for start, end in times) and times == sorted(times)


def test_another_rate_and_stereo_are_understood(place):
    import soxr

    samples, rate = soundfile.read(place / "data/toy/test/00.wav", dtype="float32")
    stereo = np.stack([soxr.resample(samples, rate, 44100)] * 2, axis=1)
    soundfile.write(place / "stereo.flac", stereo, 44100)
    done = asr("transcribe", "--bundle", "runs/toy", "stereo.flac", "data/toy/test/00.wav", cwd=place)
    one, other = (line.split("\t")[1] for line in done.stdout.splitlines())
    assert one == other


def test_one_bad_recording_of_ten_is_named_and_the_nine_are_printed(place):
    folder = place / "ten"
    folder.mkdir()
    for i in range(9):
        shutil.copy(place / f"data/toy/test/{i:02}.wav", folder)
    (folder / "05b.wav").write_bytes(b"RIFF nonsense")
    done = asr("transcribe", "--bundle", "runs/toy", folder, cwd=place)
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 9
    errors = done.stderr.splitlines()
    assert len(errors) == 2 and "05b.wav: is not audio" in errors[0] and "1 of 10 recordings failed" in errors[1]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["transcribe", "nowhere.wav", "--bundle", "runs/toy"], 4, "nowhere.wav: no such file"),
        (["transcribe", "empty", "--bundle", "runs/toy"], 4, "empty: contains no audio files"),
        (["transcribe", "short.wav", "--bundle", "runs/toy"], 4, "short.wav: "),
        (["transcribe", "short.wav", "--bundle", "runs/other"], 3, "no such bundle"),
        (["transcribe", "short.wav", "--bundle", "toy.toml"], 3, "toy.toml: not a bundle, or damaged"),
        (
            ["transcribe", "short.wav", "--bundle", "runs/toy", "--device", "gpu"],
            2,
            "device 'gpu': cannot be used (not a device)",
        ),
        (["transcribe", "short.wav", "--bundle", "runs/toy", "--decoder", "greedi"], 2, "did you mean 'greedy'?"),
        (["transcribe", "short.wav", "--bundle", "runs/toy", "--width", "3"], 2, "'width' is not a setting of"),
        (
            ["transcribe", "short.wav", "--bundle", "runs/toy", "--decoder", "beam", "--width", "0"],
            2,
            "width 0: must be",
        ),
        (["transcribe", "short.wav", "--bundle", "runs/toy", "--format", "srd"], 2, "did you mean 'srt'?"),
        (["evaluate", "runs/toy", "--decoder", "beam", "--lm", "no.arpa"], 4, "no.arpa"),
        (["align", "short.wav", "ab", "--bundle", "runs/toy"], 4, "short.wav: "),
        (["tune", "runs/toy", "--width", "0"], 2, "width 0: must be at least 1"),
        (["transcribe", "short.wav", "--bundle", "runs/toy", "--json", "--format", "srt"], 2, "choose one"),
        (["evaluate", "runs/toy", "--set", "dev", "--manifest", "data/toy/dev.jsonl"], 2, "use only one"),
        (["train", "toy.toml", "--device", "meta"], 2, "device 'meta': cannot be used"),
        (["lm", "train", "none.txt", "lm.arpa"], 4, "none.txt: cannot be read as text"),
        (["evaluate", "runs/toy", "--set", "tset"], 4, "tset.jsonl: cannot be read as a manifest"),
        (["lm", "train", "toy.toml", "lm.txt"], 2, "lm.txt: ends in none of .arpa, .arpa.gz, .safetensors"),
        (["train", "nothing.toml"], 2, "nothing.toml: no such recipe"),
        (["train", "toy"], 2, "toy: no such recipe; pass toy.toml"),
        (["summary", "runs/nothing"], 4, "runs/nothing/dev.json: no such result; run `asr evaluate`"),
        (["plot", "runs/nothing"], 4, "runs/nothing: no such run or recording"),
        (["train", "toy.toml", "--set", "encoder.hiden=3"], 2, "did you mean 'hidden'?"),
        (["train", "toy.toml", "--set", "corpus.name=timit"], 4, "contains no prepared corpus"),
        (["train", "toy.toml"], 2, "belongs to a different recipe"),
        (["train", "toy.toml", "--out", "short.wav/run"], 2, "cannot be written"),
        (["prepare", "timitt"], 2, "did you mean 'timit'?"),
        (["prepare", "timit-sample", "--source", "missing"], 4, "missing"),
        (["prepare", "timit-sample", "--source", "empty"], 4, "empty"),
        (["transcribe"], 2, "asr: missing argument 'FILE… | DIR | MANIFEST.jsonl | -'; see `"),
        (["evaluat"], 2, "asr: no such command 'evaluat'"),
        (["evaluate", "runs/toy", "--widt", "3"], 2, "asr: no such option '--widt'"),
        (["tune", "runs/toy", "--order", "two"], 2, "asr: invalid value for '--order'"),
    ],
)
def test_bad_input_is_one_line_and_a_status(place, arguments, status, message):
    (place / "empty").mkdir(exist_ok=True)
    soundfile.write(place / "short.wav", np.zeros(200), 16000)
    before = sorted(p for p in place.rglob("*") if "features" not in p.parts)
    done = asr(*arguments, cwd=place)
    errors = done.stderr
    assert done.returncode == status, errors
    assert message in errors and "Traceback" not in errors and "Usage" not in errors
    assert done.stdout == ""
    lines = [line for line in errors.splitlines() if line.startswith("asr: ") or "Error" in line]
    assert 1 <= len(lines) <= 2  # transcribe adds how many of how many failed
    assert sorted(p for p in place.rglob("*") if "features" not in p.parts) == before, "something was left half-written"


@pytest.mark.parametrize("kind", ["srt", "TextGrid", "ctm", "trn", "json"])
def test_transcribe_writes_files_that_keep_their_folders(place, tmp_path, kind):
    for name in ("a/one.wav", "b/one.wav"):
        (tmp_path / "in" / name).parent.mkdir(parents=True)
        shutil.copy(place / "data/toy/test/00.wav", tmp_path / "in" / name)
    out = tmp_path / "out"
    done = asr("transcribe", "--bundle", "runs/toy", "--format", kind, "--output-dir", out, tmp_path / "in", cwd=place)
    assert (done.returncode, done.stdout) == (0, "")
    assert sorted(str(p.relative_to(out)) for p in out.rglob("[!.]*.*")) == [f"a/one.wav.{kind}", f"b/one.wav.{kind}"]


def test_a_manifest_names_recordings_and_its_ids_the_files(place, tmp_path):
    done = asr("transcribe", "--bundle", "runs/toy", "data/toy/test.jsonl", cwd=place)
    assert [Path(line.split("\t")[0]).name for line in done.stdout.splitlines()] == [f"{i:02}.wav" for i in range(12)]
    rows = [json.loads(line) for line in (place / "data/toy/test.jsonl").read_text().splitlines()[:2]]
    rows[0]["id"], rows[1]["id"] = "/../up", "a/b"
    (place / "data/toy/odd.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = asr("transcribe", "--bundle", "runs/toy", "--output-dir", tmp_path / "o", "data/toy/odd.jsonl", cwd=place)
    assert done.returncode == 0, done.stderr
    assert sorted(str(p.relative_to(tmp_path / "o")) for p in tmp_path.rglob("*.txt")) == ["a/b.txt", "up.txt"]


def test_files_of_one_name_from_two_places_do_not_collide(place, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        shutil.copy(place / "data/toy/test/00.wav", tmp_path / folder / "one.wav")
    paths = [tmp_path / "a" / "one.wav", tmp_path / "b" / "one.wav"]
    asr("transcribe", "--bundle", "runs/toy", "--output-dir", tmp_path / "out", *paths, cwd=place)
    assert len(list((tmp_path / "out").glob("[!.]*"))) == 2


def test_align_prints_when_each_unit_is_said(place):
    pytest.importorskip("torchaudio", exc_type=OSError, reason="torchaudio does not go with this torch")
    rows = [json.loads(line) for line in (place / "data/toy/test.jsonl").read_text().splitlines()]
    audio, text = "data/toy/test/00.wav", next(row["text"] for row in rows if row["id"] == "test-00")
    done = asr("align", audio, text, "--bundle", "runs/toy", "--format", "tsv", cwd=place)
    assert done.returncode == 0, done.stderr
    assert [line.split("\t")[2] for line in done.stdout.splitlines()[1:]] == list(text)
    done = asr("align", audio, "abé", "--bundle", "runs/toy", cwd=place)
    assert done.returncode == 4 and "'é' is not a unit" in done.stderr


def test_that_speakers_are_unknown_is_said_once_where_it_matters(place, tmp_path):
    parts = {"units": {"kind": "characters", "alphabet": "abcd"}, "encoder": {"hidden": 4, "layers": 1}}
    for kind, times in (("speaker", 1), ("utterance", 0)):
        bundle.build(config.parse(parts | {"features": {"normalise": kind}}, "test")).save(tmp_path / "a.safetensors")
        audio = sorted((place / "data/toy/test").glob("*.wav"))[:2]
        done = asr("transcribe", "--bundle", tmp_path / "a.safetensors", *audio, cwd=place)
        assert done.returncode == 0 and done.stderr.count("speakers are unknown") == times
        done = asr("transcribe", "--bundle", tmp_path / "a.safetensors", "data/toy/test.jsonl", cwd=place)
        assert done.returncode == 0 and "speakers are unknown" not in done.stderr


def test_recordings_of_one_speaker_are_normalized_together_as_in_a_manifest(place, tmp_path):
    """Log-probs would be a matter of rounding; n-best totals show that features were the same."""
    parts = {"units": {"kind": "characters", "alphabet": "abcd"}, "encoder": {"hidden": 4, "layers": 1}}
    system = bundle.build(config.parse(parts | {"features": {"normalise": "speaker"}}, "test"))
    system.save(tmp_path / "a.safetensors")
    rows = [json.loads(line) for line in (place / "data/toy/test.jsonl").read_text().splitlines()][:3]
    paths = []
    for row, name in zip(rows, ("ann_1", "ann_2", "bob_1"), strict=True):
        paths.append(shutil.copy(place / "data/toy" / row["audio"], tmp_path / f"{name}.wav"))
        row |= {"id": name, "audio": f"{name}.wav", "speaker": name[:3]}
    (tmp_path / "all.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def totals(*arguments):
        best = ["--decoder", "beam", "--nbest", "4", "--json"]
        done = asr("transcribe", "--bundle", tmp_path / "a.safetensors", *best, *arguments, cwd=place)
        assert done.returncode == 0, done.stderr
        return [json.loads(line)["alternatives"] for line in done.stdout.splitlines()], done.stderr

    known = totals(tmp_path / "all.jsonl")[0]
    named, said = totals(*paths, "--speakers", "{speaker}_*")
    assert named == known and "speakers are unknown" not in said
    assert totals(*paths)[0] != known
    unfit, said = totals(*paths, "--speakers", "ann_*")
    assert unfit[:2] == known[:2] and f"does not fit {paths[2]}" in said


def test_a_tuned_decoder_is_used_without_asking(place, tmp_path):
    shutil.copytree(place / "runs" / "toy", tmp_path / "run")
    done = asr("tune", tmp_path / "run", "--order", "2", "--width", "8", cwd=place)
    assert done.returncode == 0, done.stderr
    assert "beam, width 8" in done.stdout and "perplexity" in done.stderr
    asr("evaluate", tmp_path / "run", "--set", "test", cwd=place)
    search = json.loads((tmp_path / "run" / "test.json").read_text())["search"]
    assert search["decoder"] == "beam" and search["tuned_on"]
    asr("evaluate", tmp_path / "run", "--set", "test", "--decoder", "greedy", cwd=place)
    search = json.loads((tmp_path / "run" / "test.json").read_text())["search"]
    assert search["decoder"] == "greedy" and search["tuned_on"] == ""
    asr("evaluate", tmp_path / "run", "--set", "test", "--width", "4", cwd=place)
    search = json.loads((tmp_path / "run" / "test.json").read_text())["search"]
    assert search["width"] == 4 and search["tuned_on_set"] == "dev", "the weights are still those chosen on dev"
    done = asr("evaluate", tmp_path / "run", "--set", "test", "--bonus", "0.5", cwd=place)
    search = json.loads((tmp_path / "run" / "test.json").read_text())["search"]
    assert search["tuned_on_set"] == "dev" and search["by_hand"] and done.stdout.endswith("(settings chosen by hand)\n")


def test_a_run_that_learned_nothing_is_kept_and_ends_with_status_1(place):
    done = asr(
        "train",
        "toy.toml",
        "--set",
        "training.learning_rate=1e-9",
        "--set",
        "training.epochs=1",
        "--out",
        "runs/flat",
        cwd=place,
    )
    assert done.returncode == 1
    assert "warning: runs/flat: nothing was learned" in done.stderr and "learning_rate (now 1e-09)" in done.stderr
    assert bundle.load(place / "runs" / "flat").facts["epoch"] >= 1
    again = asr(
        "train",
        "toy.toml",
        "--set",
        "training.learning_rate=1e-9",
        "--set",
        "training.epochs=1",
        "--out",
        "runs/flat",
        cwd=place,
    )
    assert again.returncode == 1 and "already trained" in again.stderr


def test_a_language_model_is_trained_and_scores_text(place, tmp_path):
    (tmp_path / "text").write_text("a b a b\nb a b a b\n")
    done = asr("lm", "train", tmp_path / "text", tmp_path / "lm.arpa", "--order", "2", cwd=place)
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'lm.arpa'}\n")
    done = asr("lm", "score", tmp_path / "lm.arpa", tmp_path / "text", cwd=place)
    assert done.stdout.startswith("perplexity ") and "11 tokens, 0 unknown" in done.stdout
    (tmp_path / "lm.arpa").write_text("\\data\\\nngram 1=3\n")
    done = asr("lm", "score", tmp_path / "lm.arpa", tmp_path / "text", cwd=place)
    assert done.returncode == 4 and "lm.arpa" in done.stderr and len(done.stderr.splitlines()) == 1


def test_timit_without_its_source_says_where_it_comes_from(place):
    done = asr("prepare", "timit", cwd=place)
    errors = done.stderr
    assert done.returncode == 4
    assert "LDC93S1" in errors and "TIMIT=" in errors and "espeak" in errors and "timit-sample" in errors


def test_a_closed_pipe_ends_quietly(place):
    """In a process of its own, since only there a pipe can close."""
    files = " ".join(["data/toy/test/00.wav"] * 3)
    command = f"{sys.executable} -m asr transcribe --bundle runs/toy {files} | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, cwd=place, env=os.environ)
    assert (done.stdout, done.stderr) == (b"141\n", b"")


def test_a_corpus_of_ones_own_is_prepared_from_its_manifests(place):
    done = asr("prepare", "toy.toml", cwd=place)
    assert done.returncode == 0, done.stderr
    assert "train" in done.stderr and " 48 " in done.stderr
    assert json.loads((place / "data/toy/corpus.json").read_text())["sets"]["test"]["utterances"] == 12


@pytest.mark.parametrize("name", ["test", "test.v1"])
def test_evaluation_never_writes_over_the_manifest_it_scores(place, tmp_path, name):
    data = tmp_path / "toy"
    shutil.copytree(place / "data" / "toy", data)
    shutil.copy(place / "runs/toy/best.safetensors", data)
    before = (data / "test.jsonl").read_bytes()
    (data / f"{name}.jsonl").write_bytes(before)
    done = asr("evaluate", data / "best.safetensors", "--manifest", data / f"{name}.jsonl", cwd=place)
    assert done.returncode == 0, done.stderr
    assert (data / f"{name}.jsonl").read_bytes() == before
    assert (data / f"{name}.json").exists()


def test_another_set_of_the_same_name_does_not_take_the_place_of_the_runs_own(place, tmp_path):
    shutil.copytree(place / "data" / "toy", tmp_path / "other")
    lines = (tmp_path / "other" / "test.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "other" / "test.jsonl").write_text("".join(lines[:4]))
    asr("evaluate", "runs/toy", cwd=place)
    before = (place / "runs" / "toy" / "test.json").read_bytes()
    command = ["evaluate", "runs/toy", "--manifest", tmp_path / "other" / "test.jsonl"]
    for data in ("data", "nowhere"):  # whether the corpus is there or only its result
        done = asr(*command, "--data", data, cwd=place)
        assert done.returncode == 2 and "is not the 'test' whose result belongs in" in done.stderr
        assert (place / "runs" / "toy" / "test.json").read_bytes() == before
    assert asr(*command, "--out", tmp_path / "out", cwd=place).returncode == 0
    assert (tmp_path / "out" / "test.json").exists()


def test_results_are_summarised_and_compared_with_what_must_be_said_of_them(place, tmp_path):
    for number, bonus in enumerate(("0", "0.5")):
        asr("evaluate", "runs/toy", "--decoder", "beam", "--bonus", bonus, "--out", tmp_path / f"{number}", cwd=place)
    first, second = tmp_path / "0" / "test.json", tmp_path / "1" / "test.json"
    done = asr("compare", first, second, cwd=place)
    assert done.stdout.count(" (settings chosen by hand)\n") == 2
    assert (
        json.loads(asr("compare", first, second, "--json", cwd=place).stdout)["remarks"][0] == "settings chosen by hand"
    )
    done = asr("compare", first, second, "--set", "dev", cwd=place)
    assert done.returncode == 4 and "is a result on test, not on dev" in done.stderr
    done = asr("summary", first, cwd=place)
    assert [line[:17] for line in done.stdout.splitlines()] == ["test CER standard", "test CER mean of "]


def test_settings_tuned_for_another_bundle_are_not_used(place, tmp_path):
    shutil.copytree(place / "runs" / "toy", tmp_path / "run")
    asr("tune", tmp_path / "run", "--order", "0", "--width", "4", cwd=place)
    recorded = json.loads((tmp_path / "run" / "decoder.json").read_text())
    (tmp_path / "run" / "decoder.json").write_text(json.dumps(recorded | {"tuned_for": "another"}))
    done = asr("evaluate", tmp_path / "run", cwd=place)
    assert "was tuned for another bundle and is not used" in done.stderr
    assert json.loads((tmp_path / "run" / "test.json").read_text())["search"]["decoder"] == "greedy"


def test_two_runs_are_compared_and_trn_scored(place):
    for name in ("one", "two"):
        asr("evaluate", "runs/toy", "--set", "test", "--trn", "--out", place / name, cwd=place)
    done = asr("compare", "one", "two", cwd=place)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "no difference"
    row = json.loads(asr("compare", "one/test.json", "two", "--json", cwd=place).stdout)
    assert row["verdict"] == "no difference" and row["difference"] == 0 and row["changed"] == []
    asr("evaluate", "runs/toy", "--set", "dev", "--out", place / "two", cwd=place)
    done = asr("compare", "one", "two/dev.json", cwd=place)
    assert done.returncode == 4 and "measured on different sets" in done.stderr

    expected = json.loads((place / "one" / "test.json").read_text())
    done = asr("score", "one/test.ref.trn", "one/test.hyp.trn", "--kind", "characters", cwd=place)
    assert done.returncode == 0 and done.stdout.startswith("standard             CER ")
    row = json.loads(
        asr("score", "one/test.ref.trn", "one/test.hyp.trn", "--kind", "characters", "--json", cwd=place).stdout
    )
    assert row["conventions"][0]["errors"] == expected["errors"] and row["speakers"] == expected["speakers"] == 4


def test_trn_is_scored_by_every_convention_its_symbols_allow(tmp_path):
    (tmp_path / "ref.trn").write_text("sil sh iy sil sil (a-1)\naa b (b-1)\nsil (b-2)\n")
    (tmp_path / "hyp.trn").write_text("sh iy sil (a-1)\naa d (b-1)\n")
    done = asr("score", "ref.trn", "hyp.trn", cwd=tmp_path)
    rates = {line[:20].strip(): line[25:].split(" %")[0] for line in done.stdout.splitlines()}
    assert rates == {
        "standard": "50.00",
        "optional silence": "12.50",
        "merged silence": "42.86",
        "mean of utterances": "63.33",
    }
    assert done.stderr == "hyp.trn: 1 of 3 utterances are missing and counted as deletions: b-2\n"
    (tmp_path / "more.trn").write_text("b (c-1)\n")
    done = asr("score", "ref.trn", "more.trn", cwd=tmp_path)
    assert done.returncode == 4 and "c-1: has a hypothesis but no reference" in done.stderr
    (tmp_path / "odd.trn").write_text("sh zz (a-1)\n")
    done = asr("score", "ref.trn", "odd.trn", cwd=tmp_path)
    assert done.returncode == 4 and "a-1: 'zz' is not one of TIMIT's phones" in done.stderr
    done = asr("score", "ref.trn", "odd.trn", "--kind", "written", cwd=tmp_path)
    assert done.returncode == 0 and "WER" in done.stdout


def test_words_are_scored_as_they_stand_unless_plain_words_are_asked_for(tmp_path):
    (tmp_path / "ref.trn").write_text("Where's the cat , please ? (a-1)\n")
    (tmp_path / "hyp.trn").write_text("where's the cat please (a-1)\n")
    done = asr("score", "ref.trn", "hyp.trn", "--json", cwd=tmp_path)
    written = json.loads(done.stdout)["conventions"][0]
    assert (written["title"], written["errors"], written["total"]) == ("words as written", 3, 6)
    done = asr("score", "ref.trn", "hyp.trn", "--kind", "words", "--json", cwd=tmp_path)
    plain = json.loads(done.stdout)["conventions"][0]
    assert (plain["title"], plain["errors"], plain["total"]) == ("lower case, no punctuation", 0, 4)
