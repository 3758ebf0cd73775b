"""The command that makes manifests: of a corpus that is known, of a folder of recordings, or of a text to be spoken."""

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from asr.cli import options, output
from asr.errors import AsrError, InputError

if TYPE_CHECKING:
    from asr.corpora.importers.folder import Wishes
    from asr.corpora.importers.imported import Imported
    from asr.doctor.finding import Finding

# What stops training at the first batch; where few recordings have it, these are skipped.
STOPPING = ("unreadable", "truncated", "not-finite", "empty", "unfit")


@click.command()
@click.argument("corpus", metavar="CORPUS | RECIPE.toml | FOLDER | TEXT.txt")
@click.option("--source", type=options.FOLDER, help="Folder with a known corpus, if you have it.")
@click.option("--out", type=options.FOLDER, help="Folder for the manifests.  [default: data/NAME]")
@click.option("--partial", is_flag=True, help="Continue with the readable files if some are missing or contradictory.")
@click.option("--name", help="Name of a folder's or a text's corpus.  [default: its own name]")
@click.option(
    "--format",
    help="How a folder has its transcripts, if that is not to be guessed: pairs, table, text, kaldi, lhotse, jsonl, "
    "classes, labels or names.",
)
@click.option("--pattern", help="How file names are made: '{text}_{speaker}_{take}', or '{speaker}/*' for folders.")
@click.option(
    "--dev",
    metavar="WHICH",
    help="What the dev set is: a share (10%), speakers (anna,ben), a file that lists them, a folder or manifest.",
)
@click.option("--test", metavar="WHICH", help="Likewise, of the test set.")
@click.option(
    "--units", type=click.Choice(["phones", "words", "characters"]), help="[default: what fits the transcripts]"
)
@click.option("--lexicon", type=options.FILE, help="A pronouncing dictionary: the units are its phones.")
@click.option(
    "--synthesize",
    metavar="LANGUAGE",
    help="Language (en, de, cmn …) in which eSpeak speaks a text [default: en]; of a folder, add synthetic recordings "
    "of its training transcripts to train.",
)
@click.option("--text", type=options.FILE, help="With --synthesize: add recordings of these sentences instead.")
def prepare(
    corpus: str,
    source: Path | None,
    out: Path | None,
    partial: bool,
    name: str | None,
    lexicon: Path | None,
    synthesize: str | None,
    text: Path | None,
    **wishes: str | None,
) -> None:
    """Make the manifests of a corpus, which training reads.

    The corpus is a known one (an unknown name lists them), that of a recipe, a folder of recordings with transcripts,
    or a text.

    Of a folder, the command prints how it read the transcripts, and the option that changes that. Sets, units and
    the sampling rate follow from the recordings and are in the recipe.toml beside the manifests. A text has a sentence,
    a word or a command on each line; eSpeak speaks it with many voices.
    """
    from asr import config, corpora

    if text and not synthesize:
        raise AsrError(f"--text {text}: needs --synthesize LANGUAGE")
    if corpus.endswith(".txt"):
        given = {"source": source, "lexicon": lexicon, "text": text, **wishes, "units": None}
        if changed := [key for key, value in given.items() if value]:
            raise AsrError(f"--{changed[0]}: is for a folder of recordings, and {corpus} is a text; omit it")
        _text(Path(corpus), name, out, synthesize or "en", wishes["units"])
        return
    folder, own = corpus, {}
    if corpus.endswith(".toml"):
        section = config.load(Path(corpus)).corpus
        own = corpora.settings(section, Path(corpus).parent)
        corpus, folder = section.name, section.folder
    if corpus not in corpora.CORPORA and (Path(corpus).is_dir() or os.sep in corpus):
        if source:
            raise AsrError(f"--source {source}: is for a known corpus, and {corpus} is a folder; omit it")
        from asr.corpora.importers.folder import Wishes
        from asr.corpora.importers.synthesis import FOLDER, Synthesis

        name, out = _called(Path(corpus), name, out)
        more = Synthesis(synthesize, out / FOLDER, text) if synthesize else None
        wanted = Wishes(**wishes, lexicon=_read(lexicon) if lexicon else {}, partial=partial, synthesis=more)
        _folder(Path(corpus), name, out, wanted)
        return
    given = {"name": name, "lexicon": lexicon, "synthesize": synthesize, **wishes}
    if changed := [key for key, value in given.items() if value is not None]:
        raise AsrError(f"--{changed[0]}: is for a folder of recordings, and '{corpus}' is a known corpus; omit it")
    out = out or Path("data") / folder
    with output.timed(f"corpus {corpus}"):
        corpora.prepare(corpus, source, out, partial=partial, settings=own)
    output.say(corpora.summary(out))
    output.result(out)


def _called(source: Path, name: str | None, out: Path | None) -> tuple[str, Path]:
    """Return the name of the corpus of a folder or a text, and the folder of its manifests."""
    from asr import corpora
    from asr.corpora.importers import imported

    if name in corpora.CORPORA:
        raise AsrError(f"--name {name}: is a known corpus; choose another name")
    called = imported.named(source)
    name = name or (f"my-{called}" if called in corpora.CORPORA else called)
    return name, out or Path("data") / name


def _text(path: Path, name: str | None, out: Path | None, language: str, units: str | None) -> None:
    """Make the corpus of a text."""
    from asr import corpora
    from asr.corpora.importers import synthesis

    name, out = _called(path, name, out)
    with output.timed(f"corpus {name}"):
        imported = synthesis.look(path, language, out / synthesis.FOLDER, units)
        _tell(path, imported)
        findings = _write(imported, name, path, out, partial=False)
    sound = _report(path, findings)
    output.say(corpora.summary(out))
    output.result(out)
    if not sound:
        sys.exit(1)


def _folder(root: Path, name: str, out: Path, wishes: "Wishes") -> None:
    """Make the corpus of a folder of recordings."""
    from asr import corpora
    from asr.corpora.importers import folder

    with output.timed(f"corpus {name}"):
        gathered = folder.gather(root, wishes)
        imported = folder.divide(gathered, wishes)
        _tell(root, imported)
        findings = _write(imported, name, root, out, wishes.partial)
        if bad := _stopping(root, findings, len(gathered.found), wishes.partial):
            again = folder.divide(gathered, wishes, bad)
            _tell(root, again, told=[*imported.notes, *imported.warnings])
            findings = _write(again, name, root, out, wishes.partial)
    sound = _report(root, findings)
    output.say(corpora.summary(out))
    output.result(out)
    if not (sound or wishes.partial):
        sys.exit(1)


def _write(imported: "Imported", name: str, source: Path, out: Path, partial: bool) -> "list[Finding]":
    """Write manifests and recipe; return what the doctor finds."""
    from asr import corpora
    from asr.corpora.importers.imported import recipe

    stamp = {"corpus": name, "version": 1, "source": str(source.resolve()), "partial": partial}
    corpora.write(out, imported.sets, stamp, [])
    _write_recipe(out / "recipe.toml", recipe(name, imported))
    return _findings(out / "recipe.toml", imported)


def _tell(root: Path, imported: "Imported", told: Sequence[str] = ()) -> None:
    """Say how a folder was read and what to be careful about, except what was already said."""
    for prefix, lines in (("", imported.notes), ("warning: ", imported.warnings)):
        for line in lines:
            if line not in told:
                output.say(f"{prefix}{root}: {line}")


def _write_recipe(path: Path, text: str) -> None:
    """Write a recipe, unless it was edited since it was written here."""
    from asr.support.files import write_text

    copy = path.with_name(f".{path.name}")  # what was written here last
    if path.is_file() and not (copy.is_file() and copy.read_bytes() == path.read_bytes()):
        output.say(f"{path}: was edited and is kept; delete it to have it written again")
        return
    for file in (path, copy):
        write_text(file, text)


def _findings(recipe: Path, imported: "Imported") -> "list[Finding]":
    from asr import config
    from asr.doctor import DATA_CHECKS, examine, recordings
    from asr.training import sizing

    settings = sizing.for_set(config.load(recipe), imported.sets["train"])
    return examine(recordings.examine_data(imported.sets, settings), DATA_CHECKS)


def _stopping(root: Path, findings: "list[Finding]", count: int, partial: bool) -> set[str]:
    """Return the ids of the recordings that would stop training, where leaving them out is safe or wanted.

    Raises:
        InputError: They are most of the recordings.
    """
    from asr.doctor.listing import table

    stopping = [finding for finding in findings if finding.check in STOPPING]
    bad = {id for finding in stopping for id in finding.ids}
    if 2 * len(bad) > count and not partial:
        what = f"{len(bad)} of {count} recordings cannot be used: {stopping[0].what}"
        raise InputError(f"{root}: {what}; fix it, or accept it with --partial (make: PARTIAL=1)")
    if bad:
        output.say(table(stopping))
        output.say(f"warning: {root}: {len(bad)} recordings listed above would stop training: skipped")
    return bad


def _report(root: Path, findings: "list[Finding]") -> bool:
    """Print the doctor's findings; return whether there is no error among them."""
    from asr.doctor import DATA_CHECKS
    from asr.doctor.listing import table, tally

    if findings:
        output.say(table(findings, shutil.get_terminal_size().columns if sys.stderr.isatty() else None))
    output.say(f"doctor: {tally(findings) if findings else f'nothing wrong, by {len(DATA_CHECKS)} checks'}")
    errors = any(finding.severity == "error" for finding in findings)
    if errors:
        output.say(f"{root}: has the errors above; fix them, or accept them with --partial (make: PARTIAL=1)")
    return not errors


def _read(lexicon: Path) -> "dict[str, list[tuple[str, ...]]]":
    from asr.decoders import dictionary

    return dictionary.read(lexicon)
