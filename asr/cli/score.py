"""The command that scores transcripts, whoever made them."""

import json
from pathlib import Path

import click

from asr.cli import options, output

KINDS = "phones39, phones48, phones61, characters, words (lower case, no punctuation) or written (as they stand)"


@click.command()
@click.argument("reference", type=options.FILE)
@click.argument("hypothesis", type=options.FILE)
@click.option("--kind", help=f"{KINDS}; told by the symbols when left out.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, as in a result file.")
def score(reference: Path, hypothesis: Path, kind: str | None, as_json: bool) -> None:
    """Print the error rate of transcripts by every convention, with its 95 % interval.

    Both files are NIST's trn: `sh iy hh ae d (speaker-utterance)`, an utterance a line. Where an id names no speaker,
    intervals resample utterances.
    """
    from asr.errors import first_few
    from asr.scoring import conventions, trn
    from asr.support import seeds

    references, hypotheses = trn.read(reference), trn.read(hypothesis)
    kind = kind or conventions.kind_of(references)
    if kind == "characters":
        references, hypotheses = conventions.spelled(references), conventions.spelled(hypotheses)
    elif kind == "words":
        references, hypotheses = (
            {id: conventions.plain(words) for id, words in side.items()} for side in (references, hypotheses)
        )
    speakers = {id: "" if trn.speaker(id) == id else trn.speaker(id) for id in references}
    found = conventions.scores(kind, references, hypotheses, speakers, seeds.generator(1, "bootstrap"))
    missing = sorted(set(references) - set(hypotheses))
    if missing:
        output.say(
            f"{hypothesis}: {len(missing)} of {len(references)} utterances are missing and counted as deletions: "
            f"{first_few(missing, 5)}"
        )
    if as_json:
        row = {"kind": kind, "utterances": len(references), "resampled": found[0].resampled, "missing": missing}
        row["speakers"] = len(set(speakers.values())) if found[0].resampled == "speakers" else None
        output.result(json.dumps(row | {"conventions": [one.as_dict() for one in found]}, ensure_ascii=False, indent=2))
        return
    for one in found:
        output.result(f"{one.name:<20} {one}")
