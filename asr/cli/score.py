"""The command that scores transcripts, whoever made them."""

import json
from pathlib import Path

import click

from asr.cli import options, output

KINDS = "phones39, phones48, phones61, characters, words (lower case, no punctuation) or written (words as they are)"


@click.command()
@click.argument("reference", type=options.FILE)
@click.argument("hypothesis", type=options.FILE)
@click.option("--kind", help=f"{KINDS}.  [default: inferred from the symbols]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, as in a result file.")
def score(reference: Path, hypothesis: Path, kind: str | None, as_json: bool) -> None:
    """Print the error rates of transcripts by every convention.

    Each has a 95 % confidence interval. Both files are in NIST's trn format, one utterance per line: `sh iy hh ae d
    (speaker-utterance)`. Where an id names no speaker, intervals resample utterances.
    """
    from asr.errors import first_few
    from asr.scoring import trn
    from asr.scoring.score import score as scored

    references, hypotheses = (
        {id: " ".join(symbols) for id, symbols in trn.read(path).items()} for path in (reference, hypothesis)
    )
    found = scored(references, hypotheses, kind)
    if missing := found.missing:
        output.say(
            f"{hypothesis}: {len(missing)} of {len(references)} utterances are missing and counted as deletions: "
            f"{first_few(missing, 5)}"
        )
    output.result(json.dumps(found.as_dict(), ensure_ascii=False, indent=2) if as_json else found)
