"""Decoders: log-probs in, hypotheses out. A new one is a file here, a function that builds it, a line in the table."""

from collections.abc import Callable

from asr.decoders.beam import Beam
from asr.decoders.greedy import Greedy
from asr.decoders.hypothesis import Decoder, Hypothesis, collapse
from asr.decoders.search import Calibrated, Search
from asr.errors import AsrError, choose
from asr.units import Units


def build(search: Search, units: Units) -> Decoder:
    """Return the decoder that a search describes, for a system's units.

    Raises:
        AsrError: The decoder is unknown, a setting is none of its own, or a file cannot be used.
    """
    return Calibrated(choose(DECODERS, search.decoder, "decoder")(search, units), search.calibration)


def _greedy(search: Search, units: Units) -> Decoder:
    search.refuse("width", "language", "lexicon", "weight", "bonus")
    return Greedy()


def _beam(search: Search, units: Units) -> Decoder:
    search.refuse("lexicon")
    _check_weight(search)
    tables = None
    if search.language:
        from asr import lm

        tables = lm.read(search.language).tables(units.symbols)
    return Beam(width=search.width, bonus=search.bonus, language=tables, weight=search.weight)


def _lexicon(search: Search, units: Units) -> Decoder:
    _check_weight(search)
    if not search.lexicon:
        raise AsrError("decoder 'lexicon': needs a pronouncing dictionary; give --lexicon FILE")
    from asr import lm
    from asr.decoders import dictionary
    from asr.decoders.lexicon import Lexicon

    words = dictionary.read(search.lexicon)
    if units.kind == "characters":
        words = dictionary.spelled(words)
    return Lexicon(
        pronunciations=dictionary.in_units(words, units, str(search.lexicon)),
        language=lm.read(search.language) if search.language else None,
        weight=search.weight,
        bonus=search.bonus,
        free=dictionary.silences(units),
        separator=dictionary.separator(units),
        width=search.width,
    )


def _check_weight(search: Search) -> None:
    if search.weight and not search.language:
        raise AsrError(f"weight {search.weight}: weighs a language model, and none is given; give its ARPA file")


DECODERS: dict[str, Callable[[Search, Units], Decoder]] = {"greedy": _greedy, "beam": _beam, "lexicon": _lexicon}

__all__ = ["DECODERS", "Beam", "Decoder", "Greedy", "Hypothesis", "Search", "build", "collapse"]
