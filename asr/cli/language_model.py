"""Commands of language models: lm train, lm score, lm sample."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from asr.cli import options, output
from asr.errors import AsrError, InputError

if TYPE_CHECKING:
    from asr.lm import Ngram

ENDINGS = (".arpa", ".arpa.gz", ".safetensors")
HELD_OUT = 10  # one in so many sentences of a text chooses a recurrent model's epoch


@click.group("lm")
def language_model() -> None:
    """Train, score with and sample from language models."""


class _Texts(NamedTuple):
    """What a model is trained on: sentences of symbols, those held out, and the symbols if they are known."""

    train: list[list[str]]
    dev: list[list[str]]
    vocabulary: tuple[str, ...] | None


@language_model.command("train")
@click.argument("text", type=options.FILE)
@click.argument("out", type=options.FILE)
@click.option(
    "--order",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="n of the n-grams, also of those that a recurrent model is compared with.",
)
@click.option(
    "--set", "overrides", multiple=True, metavar="SECTION.KEY=VALUE", help="Override a setting of the recurrent model."
)
@options.DATA
def lm_train(text: Path, out: Path, order: int, overrides: tuple[str, ...], data: Path) -> None:
    """Train a language model on TEXT, and write it to OUT.

    The ending of OUT says which: an n-gram model (.arpa, .arpa.gz), or a recurrent one (.safetensors).

    TEXT has one sentence per line, symbols separated by spaces; or it is a run, whose training transcripts are meant. A
    recurrent model's epoch is chosen on the run's dev set, or on every tenth sentence of a text, and its perplexity is
    printed beside that of n-grams of the same sentences. Its settings are [encoder] and [training] of a recipe:
    encoder.cell, encoder.hidden, training.epochs, training.seed, …
    """
    from asr import lm
    from asr.lm.recurrent import is_recurrent

    if not out.name.endswith(ENDINGS):
        raise AsrError(f"{out}: ends in none of {', '.join(ENDINGS)}, which say what to train; rename it")
    texts = _of_run(text, data) if text.is_dir() or is_recurrent(text) else _of_text(text, is_recurrent(out))
    if is_recurrent(out):
        _train_recurrent(text, out, texts, order, overrides)
    elif overrides:
        raise AsrError(f"--set {overrides[0]}: n-gram models have no such settings; name OUT *.safetensors")
    else:
        lm.write(_ngrams(text, texts, order), out)
    output.result(out)


@language_model.command("score")
@click.argument("model", type=options.FILE)
@click.argument("text", type=options.FILE)
def lm_score(model: Path, text: Path) -> None:
    """Print the perplexity of TEXT under MODEL.

    TEXT has one sentence per line, symbols separated by spaces. MODEL is what `asr lm train` writes, or another ARPA
    file.
    """
    from asr import lm

    read, sentences = lm.read(model), _sentences(text)
    try:
        found = lm.perplexity(read, sentences)
    except AsrError as error:
        raise InputError(f"{text}: {error}") from error
    output.result(f"perplexity {found.perplexity:.4f}, {found.tokens} tokens, {found.unknown} unknown")


@language_model.command("sample")
@click.argument("model", type=options.FILE)
@click.option("--count", type=click.IntRange(1), default=10, show_default=True, help="Sentences to draw.")
@click.option(
    "--temperature",
    type=click.FloatRange(0.01, 100),
    default=1.0,
    show_default=True,
    help="Divides log-probabilities: below 1, probable symbols become more probable.",
)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Seed of the draws.")
def lm_sample(model: Path, count: int, temperature: float, seed: int) -> None:
    """Print sentences drawn from a recurrent MODEL."""
    from asr.lm import recurrent
    from asr.support import seeds

    if not recurrent.is_recurrent(model):
        raise AsrError(f"{model}: is not a recurrent model (.safetensors); train one with `asr lm train`")
    read = recurrent.read(model)
    between = "" if " " in read.symbols else " "
    for number in range(count):
        drawn = read.sample(seeds.generator(seed, "samples", number), temperature)
        output.result(between.join(read.symbols[id] for id in drawn))


def _train_recurrent(text: Path, out: Path, texts: _Texts, order: int, overrides: tuple[str, ...]) -> None:
    """Train, and print the perplexity beside that of n-grams of the same sentences."""
    from asr import config, lm
    from asr.lm.recurrent import LanguageSettings
    from asr.training import next_symbol

    settings = config.overridden(LanguageSettings(), overrides)
    rival = _ngrams(text, texts, order)
    with output.timed("training"):
        made = next_symbol.train(texts.train, texts.dev, texts.vocabulary, settings, out, output.say)
    ours, theirs = (lm.perplexity(one, texts.dev) for one in (made, rival))
    weights = sum(array.size for array in made.weights.values())
    output.say(
        f"held-out perplexity {ours.perplexity:.3f} ({weights:,} weights), {order}-grams {theirs.perplexity:.3f}, "
        f"over {ours.tokens} tokens"
    )


def _ngrams(text: Path, texts: _Texts, order: int) -> "Ngram":
    from asr import lm

    try:
        return lm.estimate(texts.train, order, texts.vocabulary)
    except InputError:
        raise
    except AsrError as error:
        raise InputError(f"{text}: {error}") from error


def _of_run(system: Path, data: Path) -> _Texts:
    """Return the transcripts that a run was trained on and those of its dev set, in its units."""
    from asr import bundle, manifest

    loaded = bundle.load(system)
    units, corpus = loaded.units, data / loaded.recipe.corpus.folder

    def transcripts(name: str) -> list[list[str]]:
        utterances = manifest.read(corpus / f"{name}.jsonl")
        return [units.transcript(one.text, [phone.symbol for phone in one.phones]) for one in utterances]

    return _Texts(transcripts("train"), transcripts("dev"), units.symbols[1:])


def _of_text(path: Path, hold_out: bool) -> _Texts:
    """Return a text's sentences, all to train on, or those that are not held out."""
    said = _sentences(path)
    if not hold_out:
        return _Texts(said, [], None)
    held: Sequence[list[str]] = said[HELD_OUT - 1 :: HELD_OUT]
    if not held:
        raise InputError(f"{path}: has {len(said)} sentences, too few to hold out every tenth; pass more text")
    return _Texts([one for number, one in enumerate(said, 1) if number % HELD_OUT], list(held), None)


def _sentences(path: Path) -> list[list[str]]:
    """Return a text file's sentences; `<space>` is the space among characters, as in an ARPA file."""
    from asr.lm.arpa import SPACE

    return [[" " if symbol == SPACE else symbol for symbol in line] for line in options.sentences(path)]
