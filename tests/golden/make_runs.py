"""Make 0.1.0/ and 0.2.0/: what these versions wrote, so that later versions are tested to read it.

Run it from the root of a checkout of that version, with that checkout's Python: `python make_runs.py OUT`. OUT/half
is a run that was stopped after its second epoch. Version 0.1.0 is commit 00f1cba; 0.2.0 is that with which 0.2.0/ was
committed, and has OUT/stack, too: another cell, a front end, and what else 0.1.0 lacked.
"""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

sys.path[:0] = ["tests", "tests/helpers"]
from conftest import make_toy  # noqa: E402

TOY = """[corpus]
name = "toy"

[units]
kind = "characters"
alphabet = "abcd"

[features]
coefficients = 8
mels = 12

[encoder]
hidden = 8
layers = 1

[training]
epochs = 16
batch = 4
"""
FBANK = TOY.replace("coefficients = 8\n", 'kind = "fbank"\ndeltas = 1\nnormalise = "global"\n')
STACK = """[corpus]
name = "toy"

[units]
kind = "characters"
alphabet = "abcd"

[features]
normalise = "speaker"
prior = 10

[frontend]
kind = "stack"
stride = 2

[encoder]
cell = "gru"
reset = "before"
hidden = 8
layers = 1

[augment]
speeds = [0.9, 1.0]
pause = 0.1
gain = 6.0

[training]
epochs = 6
batch = 8
learning_rate = 0.03
weight_noise = 0.01
"""

OUT = Path(sys.argv[1]).resolve()
RECIPES = {"toy": TOY, "fbank": FBANK, **({"stack": STACK} if Path("asr/frontends").exists() else {})}


def asr(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", "asr", *map(str, arguments)], check=True, cwd=OUT)


def main() -> None:
    make_toy(OUT / "data" / "toy")
    for name, text in RECIPES.items():
        (OUT / f"{name}.toml").write_text(text)
        asr("train", f"{name}.toml", "--out", name, "--device", "cpu")
        if name != "toy":
            asr("evaluate", name, "--set", "test")
    asr("evaluate", "toy", "--set", "dev")
    asr("tune", "toy", "--order", 2, "--width", 10)
    asr("evaluate", "toy", "--set", "test")
    command = [sys.executable, "-m", "asr", "train", "toy.toml", "--out", "half"]
    half = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=OUT)
    assert half.stderr
    for line in half.stderr:
        if line.lstrip().startswith("epoch  2/"):
            half.send_signal(signal.SIGTERM)
            break
    assert half.wait() == 143
    shutil.rmtree(OUT / "data")
    for path in [*OUT.rglob("*.png"), *OUT.rglob(".lock"), *(OUT / "fbank").glob("step-*"), *OUT.glob("stack/step-*")]:
        path.unlink()


main()
