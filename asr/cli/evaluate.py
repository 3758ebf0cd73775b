"""The command that scores a system."""

from pathlib import Path
from typing import Any

import click

from asr.cli import options, output
from asr.errors import AsrError
from asr.support import job


@click.command(cls=options.DecoderCommand)
@click.argument("system", type=options.FILE)
@click.option("--set", "names", multiple=True, help="One of the corpus's sets; repeatable.  [default: test]")
@click.option("--manifest", type=options.FILE, help="Score another manifest.")
@click.option("--out", type=options.FOLDER, help="Folder for the results.  [default: beside the bundle]")
@click.option("--trn", is_flag=True, help="Also write NAME.ref.trn and NAME.hyp.trn, for NIST sclite.")
@click.option("--force", is_flag=True, help="Score a set on which the decoder was tuned; the result is marked.")
@options.DATA
@options.DEVICE
def evaluate(
    system: Path,
    names: tuple[str, ...],
    manifest: Path | None,
    out: Path | None,
    trn: bool,
    force: bool,
    data: Path,
    device: str | None,
    **search: Any,  # noqa: ANN401
) -> None:
    """Score a system on a set, and write the result.

    SYSTEM is a run's folder, whose best epoch is taken, or a bundle (.safetensors). NAME.json and
    NAME.utterances.jsonl, where NAME is the set's, are written beside the bundle.
    """
    from asr import bundle
    from asr.evaluation import measurement as evaluation
    from asr.support.device import choose_device

    if manifest and names:
        raise AsrError(f"--manifest {manifest} and --set {names[0]}: use only one")
    file = bundle.find(system)
    corpus = data / bundle.load(file).recipe.corpus.folder
    settings = options.search(file, search)
    with output.timed("evaluation"):
        for path in [manifest] if manifest else [corpus / f"{name}.jsonl" for name in names or ["test"]]:
            where = (out or file.parent) / path.stem
            if manifest and not out:
                _refuse_another(path, corpus / path.name, where.with_name(f"{where.name}.json"))
            found = evaluation.run(file, path, where, choose_device(device), settings, force)
            for result in found.results:
                output.result(f"{path.stem:<4} {result}" + (f" ({found.remark})" if found.remark else ""))
                others = (f"{other.metric} {100 * other.rate:.2f} % {other.name}" for other in result.scores[1:])
                output.say(f"{path.stem:<4} {', '.join(others)}")
            if trn and job.world().leads:
                evaluation.write_trn(found, where)
            if found.boundaries:
                output.say(f"{path.stem:<4} {found.boundaries}")
    output.say(found.example())


def _refuse_another(data: Path, own: Path, result: Path) -> None:
    """Refuse to write a manifest's result over that of another set of the same name."""
    from asr.evaluation import results
    from asr.support import files

    if own.exists():
        known = files.sha256(own)
    else:
        known = results.read(result)["manifest_sha256"] if result.exists() else files.sha256(data)
    if files.sha256(data) != known:
        raise AsrError(
            f"{data}: is not the '{data.stem}' whose result belongs in {result}; use --out for another folder"
        )
