"""The command that makes manifests: of a corpus that is known, or of a folder of recordings."""

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from asr.cli import options, output
from asr.errors import AsrError, InputError

if TYPE_CHECKING:
    from asr.corpora.importers.folder import Imported, Wishes

# What stops training at the first batch; where few recordings have it, these are left out.
STOPPING = ("unreadable", "truncated", "not-finite", "empty", "unfit")


@click.command()
@click.argument("corpus", metavar="CORPUS | RECIPE.toml | FOLDER")
@click.option("--source", type=options.FOLDER, help="Where a known corpus is, if you have it.")
@click.option("--out", type=options.FOLDER, help="Where the manifests go; default: data/NAME.")
@click.option("--partial", is_flag=True, help="Go on with what is readable where files are missing or contradictory.")
@click.option("--name", help="Of a folder's corpus; default: the folder's name.")
@click.option("--format", help="Of a folder, if it is not to be guessed: kaldi, lhotse, table, pairs …")
@click.option("--pattern", help="How file names are made: '{text}_{speaker}_{take}', or '{speaker}/*' for folders.")
@click.option(
    "--dev", metavar="WHICH", help="A share (10%), speakers (anna,ben), a list of them, a folder or manifest."
)
@click.option("--test", metavar="WHICH", help="Likewise.")
@click.option(
    "--units", type=click.Choice(["phones", "words", "characters"]), help="Default: what fits the transcripts."
)
@click.option("--lexicon", type=options.FILE, help="A pronouncing dictionary: the units are its phones.")
def prepare(
    corpus: str,
    source: Path | None,
    out: Path | None,
    partial: bool,
    name: str | None,
    lexicon: Path | None,
    **wishes: str | None,
) -> None:
    """Make the manifests of a corpus, of a recipe's corpus, or of a folder of recordings with transcripts.

    A folder is looked at: how its transcripts were read is said, with the option that changes it. Sets, units and
    the rate follow from the recordings; NAME's recipe.toml, beside the manifests, has them.
    """
    from asr import config, corpora

    if corpus.endswith(".toml"):
        corpus = config.load(Path(corpus)).corpus.name
    if corpus not in corpora.CORPORA and (Path(corpus).is_dir() or os.sep in corpus):
        if source:
            raise AsrError(f"--source {source}: is for a known corpus, and {corpus} is a folder; omit it")
        from asr.corpora.importers.folder import Wishes

        wanted = Wishes(**wishes, lexicon=_read(lexicon) if lexicon else {}, partial=partial)
        _folder(Path(corpus), name, out, wanted)
        return
    given = {"name": name, "lexicon": lexicon, **wishes}
    if changed := [key for key, value in given.items() if value is not None]:
        raise AsrError(f"--{changed[0]}: is for a folder of recordings, and '{corpus}' is a known corpus; omit it")
    out = out or Path("data") / corpus
    with output.timed(f"corpus {corpus}"):
        corpora.prepare(corpus, source, out, partial=partial)
    output.say(corpora.summary(out))
    output.result(out)


def _folder(root: Path, name: str | None, out: Path | None, wishes: "Wishes") -> None:
    from asr import corpora
    from asr.corpora.importers import folder

    if name in corpora.CORPORA:
        raise AsrError(f"--name {name}: is a known corpus; choose another name")
    called = folder.named(root)
    name = name or (f"my-{called}" if called in corpora.CORPORA else called)
    out = out or Path("data") / name
    with output.timed(f"corpus {name}"):
        imported = folder.look(root, wishes)
        for note in imported.notes:
            output.say(f"{root}: {note}")
        for warning in imported.warnings:
            output.say(f"warning: {root}: {warning}")
        stamp = {"corpus": name, "version": 1, "source": str(root.resolve()), "partial": wishes.partial}
        corpora.write(out, imported.sets, stamp, [])
        _write_recipe(out / "recipe.toml", folder.recipe(name, root, imported))
        sound = _examine(root, out / "recipe.toml", imported, wishes.partial)
        corpora.write(out, imported.sets, stamp, [])
    output.say(corpora.summary(out))
    output.result(out)
    if not sound:
        sys.exit(1)


def _write_recipe(path: Path, text: str) -> None:
    """Write a recipe, unless it was edited since it was written here."""
    from asr.support.files import write_text

    copy = path.with_name(f".{path.name}")  # what was written here last
    if path.is_file() and not (copy.is_file() and copy.read_bytes() == path.read_bytes()):
        output.say(f"{path}: was edited and is kept; delete it to have it written again")
        return
    for file in (path, copy):
        write_text(file, text)


def _examine(root: Path, recipe: Path, imported: "Imported", partial: bool) -> bool:
    """Print the doctor's findings; leave out what would stop training. False where errors remain."""
    from dataclasses import replace

    from asr import config
    from asr.doctor import DATA_CHECKS, examine, recordings
    from asr.doctor.listing import table, tally

    data = recordings.examine_data(imported.sets, config.load(recipe))
    findings = examine(data, DATA_CHECKS)
    stopping = [finding for finding in findings if finding.check in STOPPING]
    bad = {id for finding in stopping for id in finding.ids}
    if bad:
        if not partial and 2 * len(bad) > len(data.recordings):
            what = f"{len(bad)} of {len(data.recordings)} recordings cannot be used: {stopping[0].what}"
            raise InputError(f"{root}: {what}; put it right, or go on knowingly with --partial (make: PARTIAL=1)")
        output.say(table(stopping))
        output.say(f"warning: {root}: {len(bad)} recordings, above, would stop training: left out")
        for utterances in imported.sets.values():
            utterances[:] = [utterance for utterance in utterances if utterance.id not in bad]
        data = replace(data, recordings=[r for r in data.recordings if r.id not in bad])
        findings = examine(data, DATA_CHECKS)
    if findings:
        output.say(table(findings, shutil.get_terminal_size().columns if sys.stderr.isatty() else None))
    output.say(f"doctor: {tally(findings) if findings else f'nothing wrong, by {len(DATA_CHECKS)} checks'}")
    return partial or not any(finding.severity == "error" for finding in findings)


def _read(lexicon: Path) -> "dict[str, list[tuple[str, ...]]]":
    from asr.decoders import dictionary

    return dictionary.read(lexicon)
