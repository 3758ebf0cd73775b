"""A recurrent language model: the network of `asr.model` forward in time, whose frames are the symbols before.

Frame t is the one-hot vector of symbol t − 1, and what comes out are the log-probs of symbol t. Symbol 0 is the
boundary of a sentence: it is read before the first symbol and predicted after the last, so that the probabilities of
all sentences sum to one. Any cell can be it. NumPy runs it, so that whoever only recognizes need not import torch;
`asr.training.next_symbol` trains it.

Source: T. Mikolov et al., "Recurrent neural network based language model", Interspeech 2010, section 2.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from asr import config
from asr.config import Encoder, Training
from asr.engines.architecture import Architecture, Array, Ints, Matrix, Parameters
from asr.engines.network import Network
from asr.engines.numpy_walk import chosen
from asr.errors import BundleError
from asr.lm.ngrams import Floats
from asr.lm.symbol_set import SymbolSet
from asr.support import tensors

FORMAT = "asr language model 1"
SUFFIX = ".safetensors"
BOUNDARY = 0


@dataclass(frozen=True)
class LanguageSettings:
    """The network and its training: two sections, as in a recipe."""

    encoder: Encoder = field(default_factory=lambda: Encoder(layers=1, hidden=128, dropout=0.4))
    training: Training = field(default_factory=Training)


@dataclass(frozen=True, eq=False)
class Recurrent(SymbolSet):
    """A recurrent language model; never changed once made. Made by `asr.training.next_symbol.train` and `read`.

    Attributes:
        symbols: All V of them; the first is `</s>`, the boundary.
        settings: Of network and training, resolved.
        weights: By the names that `asr.model.Model` gives them.
        facts: How it was made: epoch, perplexity on dev, commit, …
    """

    settings: LanguageSettings
    weights: Mapping[str, Array] = field(repr=False)
    facts: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def network(self) -> Network:
        """The network in NumPy."""
        return Network(architecture(self.settings, len(self.symbols)), Parameters(self.weights))

    def totals(self, sentences: Sequence[Sequence[int]]) -> Floats:
        """Return the natural log-probability of each sentence of ids, its end included, (N,).

        What begins alike is computed once: a step takes all different prefixes of its length.
        """
        lengths = np.array([len(sentence) for sentence in sentences], np.int64)
        total = np.zeros(len(sentences))
        if not len(sentences):
            return total
        following = np.full((len(sentences), int(lengths.max()) + 1), BOUNDARY)
        for row, sentence in zip(following, sentences, strict=True):
            row[: len(sentence)] = sentence
        states, said = self.network.begin(), np.array([BOUNDARY])  # of each prefix, and its last symbol
        prefix = np.zeros(len(sentences), np.int64)  # of each sentence
        going = np.arange(len(sentences))
        for position, symbol in enumerate(following.T):
            log_probs = self.network.carry(self.one_hot(said), states)
            total[going] += log_probs[prefix[going], symbol[going]]
            going = going[lengths[going] > position]
            longer, prefix[going] = np.unique(prefix[going] * len(self.symbols) + symbol[going], return_inverse=True)
            parents, said = np.divmod(longer, len(self.symbols))
            states = [chosen(state, parents) for state in states]
        return total

    def sample(self, generator: np.random.Generator, temperature: float = 1.0, longest: int = 1000) -> list[int]:
        """Return a sentence of ids, drawn symbol by symbol; cut off when it is `longest` symbols long.

        Args:
            generator: Of the draws.
            temperature: Divides the log-probs: below 1, what is probable becomes more so.
            longest: Symbols, at most.
        """
        states, sentence = self.network.begin(), list[int]()
        while len(sentence) < longest:
            before = np.array([sentence[-1] if sentence else BOUNDARY])
            scaled = self.network.carry(self.one_hot(before), states)[0].astype(np.float64) / temperature
            shares = np.exp(scaled - scaled.max())
            if self.unknown is not None:
                shares[self.unknown] = 0  # it has no spelling
            symbol = int(generator.choice(len(shares), p=shares / shares.sum()))
            if symbol == BOUNDARY:
                break
            sentence.append(symbol)
        return sentence

    def one_hot(self, ids: Ints) -> Matrix:
        """Return the network's frames (N, V) for symbols (N,)."""
        frames = np.zeros((len(ids), len(self.symbols)), np.float32)
        frames[np.arange(len(ids)), ids] = 1
        return frames

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model as safetensors with a JSON header, whole or not at all; no pickle.

        Raises:
            AsrError: It cannot be written.
        """
        sections = {name: config.section_as_dict(getattr(self.settings, name)) for name in ("encoder", "training")}
        header = {"symbols": self.symbols, **sections, "facts": dict(self.facts)}
        tensors.write(Path(path), FORMAT, header, self.weights)


def read(path: str | os.PathLike[str]) -> Recurrent:
    """Return the model in a file.

    Raises:
        BundleError: It is missing, damaged, not a language model, or was written by another version.
    """
    header, weights = tensors.read(Path(path), FORMAT, writer="asr lm train")
    try:
        sections = {name: header[name] for name in ("encoder", "training")}
        symbols = header["symbols"]
        if not all(isinstance(symbol, str) for symbol in symbols) or len(set(symbols)) < len(symbols):
            raise ValueError("symbols must be strings, each once")
        settings = config.filled_from(LanguageSettings(), sections, str(path))
        model = Recurrent(tuple(symbols), settings, weights, dict(header["facts"]))
        model.network  # noqa: B018 (it checks the weights)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise BundleError(
            f"{path}: was written by another version ({error}); use that version or train again"
        ) from error
    return model


def is_recurrent(path: str | os.PathLike[str]) -> bool:
    """Say by a file's ending whether it is a recurrent model; n-gram models are ARPA files."""
    return Path(path).suffix == SUFFIX


def architecture(settings: LanguageSettings, symbols: int) -> Architecture:
    """Return the network for so many symbols, without its weights."""
    encoder = settings.encoder
    return Architecture(
        features=symbols,
        blocks=1,
        units=symbols,
        cell=encoder.cell,
        layers=encoder.layers,
        hidden=encoder.hidden,
        norm=encoder.norm,
        dense=encoder.dense,
        of_cell=encoder.own,
    )
