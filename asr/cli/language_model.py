"""Commands of n-gram language models: lm train, lm score."""

from pathlib import Path

import click

from asr.cli import options, output
from asr.errors import AsrError, InputError


@click.group("lm")
def language_model() -> None:
    """Train an n-gram language model, or score text with one."""


@language_model.command("train")
@click.argument("text", type=options.FILE)
@click.argument("arpa", type=options.FILE)
@click.option("--order", type=click.IntRange(1), default=3, show_default=True, help="n of the n-grams.")
def lm_train(text: Path, arpa: Path, order: int) -> None:
    """Estimate ARPA from TEXT: one sentence per line, symbols separated by spaces."""
    from asr import lm

    try:
        model = lm.estimate(_sentences(text), order)
    except InputError:
        raise
    except AsrError as error:
        raise InputError(f"{text}: {error}") from error
    lm.write(model, arpa)
    output.result(arpa)


@language_model.command("score")
@click.argument("arpa", type=options.FILE)
@click.argument("text", type=options.FILE)
def lm_score(arpa: Path, text: Path) -> None:
    """Print the perplexity of TEXT under ARPA."""
    from asr import lm

    found = lm.perplexity(lm.read(arpa), _sentences(text))
    output.result(f"perplexity {found.perplexity:.4f}, {found.tokens} tokens, {found.unknown} unknown")


def _sentences(path: Path) -> list[list[str]]:
    """Return a text file's sentences; `<space>` is the space among characters, as in an ARPA file."""
    from asr.lm.arpa import SPACE

    return [[" " if symbol == SPACE else symbol for symbol in line] for line in options.sentences(path)]
