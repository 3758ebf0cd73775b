import re

import numpy as np
import pytest

from asr.corpora import sentences


@pytest.fixture(scope="module")
def composed():
    return sentences.compose(2500, np.random.default_rng(7))


def test_the_same_generator_composes_the_same_sentences(composed):
    assert sentences.compose(50, np.random.default_rng(7)) == composed[:50]
    assert sentences.compose(50, np.random.default_rng(8)) != composed[:50]


def test_no_two_sentences_have_the_same_words(composed):
    assert len({tuple(sentences.words(sentence)) for sentence in composed}) == 2500


def test_a_repeated_sentence_is_not_counted(monkeypatch):
    monkeypatch.setattr(sentences, "RULES", {"SENTENCE": ["NAME and NAME ran"]})
    monkeypatch.setattr(sentences, "WORDS", sentences.WORDS | {"NAME": ["Ann", "Bob", "Cy"]})
    assert len(set(sentences.compose(6, np.random.default_rng(1)))) == 6


def test_a_sentence_has_4_to_12_words(composed):
    lengths = {len(sentences.words(sentence)) for sentence in composed}
    assert min(lengths) == 4
    assert max(lengths) == 12


def test_the_vocabulary_contains_every_word(composed):
    used = {word for sentence in composed for word in sentences.words(sentence)}
    assert used <= set(sentences.vocabulary())
    assert len(used) > 1500
    assert len(sentences.vocabulary()) > 1600
    assert sentences.vocabulary() == sorted(set(sentences.vocabulary()))


def test_every_symbol_of_a_rule_is_a_rule_a_class_or_a_word():
    for rules in sentences.RULES.values():
        for part in " ".join(rules).split():
            assert part in sentences.RULES or part in sentences.WORDS or part == "," or re.fullmatch("[a-z']+", part)


def test_words_are_drawn_evenly(composed):
    """A class is exhausted before a word is drawn again; rejected sentences blur that a little."""
    text = " ".join(composed)
    counts = [len(re.findall(rf"\b{verb}\b", text)) for verb in ("yawned", "quarreled", "explored", "noticed")]
    assert min(counts) >= 4
    assert max(counts) <= 16


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("a apple fell", "An apple fell."),
        ("a useful thing", "A useful thing."),
        ("a usual union", "A usual union."),
        ("a honest man and a ugly hat", "An honest man and an ugly hat."),
        ("a uncle , a unusual one", "An uncle, an unusual one."),
        ("why did she sing", "Why did she sing?"),
        ("how many owls can fly", "How many owls can fly?"),
        ("tea can wait", "Tea can wait."),
    ],
)
def test_articles_and_punctuation_are_correct(said, written):
    assert sentences._punctuate(said) == written


def test_no_sentence_contains_words_that_are_merged_in_speech(composed):
    joined = ("was a", "in the", "for an", "of the", "at once", "no one", "many of", "with the")
    assert not [s for s in composed for pair in joined if re.search(rf"\b{pair}\b", s.lower())]


def test_an_apostrophe_is_part_of_its_word():
    assert sentences.words("Don't ask, I won't!") == ["don't", "ask", "i", "won't"]
