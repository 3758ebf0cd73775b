"""The command that writes a system for other runtimes."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from asr.cli import options, output
from asr.errors import AsrError

if TYPE_CHECKING:
    from asr.bundle import Bundle


@click.command()
@click.argument("system", type=options.FILE)
@click.argument("model", type=options.FILE)
@click.option("--int8", is_flag=True, help="Store weights as 8-bit integers: smaller, less exact (ONNX only).")
@options.DATA
def export(system: Path, model: Path, int8: bool, data: Path) -> None:
    """Write a system as MODEL, an .onnx file or an .html page.

    SYSTEM is a run's folder, whose best epoch is taken, or a bundle (.safetensors).

    ONNX: the network takes features before normalization, (B, T, F), and lengths, (B,), and returns log-probs. It is
    compared with our own over many lengths, and not written if a log-prob differs by more than 1e-4. Beside it goes
    tokens.txt. With --int8, the error rates on dev with 8-bit integers and with floats are printed, if DATA has the
    system's corpus; else on test, if it has that.

    HTML: one file with features, network, greedy search and weights in it. Open it from disk or put it on any server:
    it records, opens recordings, shows what it recognizes, and sends nothing anywhere.
    """
    from asr import bundle

    loaded = bundle.load(system)
    if model.suffix.lower() in (".html", ".htm"):
        _page(loaded, model, int8)
        return
    if model.suffix.lower() != ".onnx":
        raise AsrError(f"{model}: ends in none of .onnx, .html, which say what to write; rename it")
    from asr import export

    output.result(export.write(loaded, model, int8))
    output.say(f"{model.with_name('tokens.txt')}: {len(loaded.units)} units")
    output.say(f"{model}: {export.for_sherpa(loaded)}")
    if int8:
        _rates(loaded, data / loaded.recipe.corpus.folder)


def _rates(loaded: "Bundle", corpus: Path) -> None:
    from asr.evaluation import quantized

    found = [path for path in (corpus / "dev.jsonl", corpus / "test.jsonl") if path.exists()]
    if not found:
        output.say(f"{corpus}: has no dev or test set; what 8-bit integers cost was not measured")
        return
    output.result(quantized.compared(loaded, found[0]))


def _page(loaded: "Bundle", path: Path, int8: bool) -> None:
    from asr.serve import page

    if int8:
        raise AsrError("--int8: is for ONNX; omit it, a page keeps its weights as they are")
    output.result(f"{path}: {page.write(loaded, path):,} bytes; open it in a browser")
