"""Imports go down, and what must start fast imports nothing slow."""

import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "asr"
FLOORS = [
    {"errors"},
    {"support", "phones"},
    {"audio", "config", "units"},
    {"cells", "ctc", "frontends", "manifest", "readouts", "scoring"},
    {"corpora", "features", "formats", "model"},
    {"augment"},
    {"batch", "engines"},
    {"bundle", "lm"},
    {"decoders"},
    {"box", "dataset", "export", "stream"},
    {"reader"},
    {"recognize"},
    {"archive", "evaluation"},
    {"report", "training"},
    {"doctor", "memory", "serve"},
    {"cli"},
    {"__main__", "__init__"},
]
TORCH = {
    "cells",
    "frontends",
    "ctc",
    "model",
    "readouts",
    "batch",
    "augment",
    "bundle",
    "engines",
    "recognize",
    "training",
    "doctor",
    "memory",
    "support",
}


def floor(part):
    return next(i for i, floor in enumerate(FLOORS) if part in floor)


def imports():
    """Yield (importing part, imported module) for every import in the package, those inside functions too."""
    for path in sorted(PACKAGE.rglob("*.py")):
        relative = path.relative_to(PACKAGE)
        part = relative.parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((part, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{relative}: write imports in full"
                names = [f"asr.{alias.name}" for alias in node.names] if node.module == "asr" else [node.module]
                yield from ((part, name) for name in names)


def test_every_part_stands_on_one_floor():
    parts = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in PACKAGE.rglob("*.py")}
    named = [part for floor in FLOORS for part in floor]
    assert parts <= set(named)
    assert len(named) == len(set(named))


def test_imports_go_down():
    for part, module in imports():
        if module.startswith("asr."):
            other = module.split(".")[1]
            allowed = other == part or floor(other) < floor(part)
            assert allowed, f"asr/{part} imports asr.{other}, which is not below it"


def test_torch_is_an_upper_floor():
    for part, module in imports():
        if module.split(".")[0] in {"torch", "torchaudio"}:
            assert part in TORCH, f"asr/{part} imports {module}"


@pytest.mark.parametrize(
    "module",
    [
        "asr",
        "asr.cli",
        "asr.audio",
        "asr.scoring.alignment",
        "asr.decoders",
        "asr.corpora",
        "asr.features",
        "asr.doctor",
        "asr.memory",
    ],
)
def test_importing_it_costs_neither_torch_nor_numba_nor_librosa(module):
    code = f"import sys, {module}; print([m for m in ('torch', 'numba', 'librosa', 'scipy') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_help_is_printed_without_torch_or_numpy():
    code = """if True:
        import sys
        sys.argv = ["asr", "--help"]
        from asr.cli import main
        main()
        assert not {"torch", "numpy"} & set(sys.modules), "slow imports"
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "transcribe" in done.stdout


def test_transcripts_are_scored_without_torch(tmp_path):
    (tmp_path / "a.trn").write_text("sh iy (s-1)\n")
    code = f"""if True:
        import sys
        sys.argv = ["asr", "score", {str(tmp_path / "a.trn")!r}, {str(tmp_path / "a.trn")!r}]
        from asr.cli import main
        main()
        assert not {{"torch", "numba", "librosa"}} & set(sys.modules), "slow imports"
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("standard")


@pytest.fixture(scope="module")
def system(toy, tmp_path_factory):
    """A bundle in a folder with a manifest of the toy corpus."""
    from asr import bundle, config
    from asr.lm.recurrent import LanguageSettings
    from asr.training import next_symbol

    folder = tmp_path_factory.mktemp("system")
    parts = {"units": {"kind": "characters", "alphabet": "abcd"}, "encoder": {"hidden": 8, "layers": 1}}
    bundle.build(config.parse(parts, "test")).save(folder / "best.safetensors")
    settings = config.overridden(LanguageSettings(), ["encoder.hidden=8", "training.epochs=1"])
    sentences = [list("abcd"), list("bad")]
    next_symbol.train(sentences, sentences, None, settings, folder / "lm.safetensors", lambda line: None)
    return folder


@pytest.mark.parametrize(
    ("command", "absent"),
    [
        ("transcribe --device cpu --bundle {system} {wav}", "torch numba scipy librosa jiwer onnx tqdm"),
        ("transcribe --device cpu --bundle {system} {toy}/test.jsonl --json", "torch numba scipy librosa jiwer onnx"),
        ("transcribe --device cpu --bundle {system} {wav} --decoder beam", "torch librosa jiwer onnx"),
        (
            "transcribe --device cpu --bundle {system} {wav} --decoder beam --lm {system}/lm.safetensors --weight 0.5",
            "torch librosa jiwer onnx",
        ),
        ("align --device cpu --bundle {system} {wav} a", "torch librosa jiwer onnx"),
        ("evaluate {system} --device cpu --manifest {toy}/test.jsonl --out {out}", "torch"),
    ],
)
def test_a_cpu_recognizes_without_torch(command, absent, system, toy, tmp_path):
    wav = sorted(toy.rglob("*.wav"))[0]
    words = [word.format(system=system, wav=wav, toy=toy, out=tmp_path) for word in command.split()]
    code = f"""if True:
        import sys
        sys.argv = ["asr", *{words!r}]
        from asr.cli import main
        main()
        assert not set({absent.split()!r}) & set(sys.modules), set({absent.split()!r}) & set(sys.modules)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_no_class_and_no_module_has_anothers_name():
    """A command's file has its command's name; every other name is in the package once."""
    classes, modules = Counter(), Counter()
    for path in PACKAGE.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        classes.update(node.name for node in tree.body if isinstance(node, ast.ClassDef))
        if path.parent.name != "cli" and path.name != "__init__.py":
            modules[path.stem] += 1
    assert [name for name, count in (classes + modules).items() if count > 1] == []
