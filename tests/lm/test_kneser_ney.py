import math
import os
from collections import Counter, defaultdict
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from asr import lm
from asr.lm.kneser_ney import FALLBACK, discounts

SAMPLE = Path(os.environ.get("TIMIT_SAMPLE", Path(__file__).parent.parent.parent / "shared/data/timit-sample"))


def probability(model, history, symbol):
    """p(symbol | history) by walking the model."""
    state = model.start
    for said in history:
        state, _ = model.score(state, model.ids([said])[0])
    return math.exp(model.finish(state) if symbol == "</s>" else model.score(state, model.ids([symbol])[0])[1])


def written_out(sentences, order, symbols):
    """Modified Kneser–Ney as the papers write it, in fractions: a function p(symbol, context)."""
    padded = [("<s>", *sentence, "</s>") for sentence in sentences]
    seen = Counter(s[i : i + n] for s in padded for n in range(1, order + 1) for i in range(len(s) - n + 1))
    before = defaultdict(set)
    for gram in seen:
        before[gram[1:]].add(gram[0])
    count = {
        gram: times if len(gram) == order or gram[0] == "<s>" else len(before[gram])
        for gram, times in seen.items()
        if gram[-1] != "<s>"
    }
    taken = {}
    for n in range(1, order + 1):
        n1, n2, n3, n4 = (sum(1 for g, c in count.items() if len(g) == n and c == k) for k in (1, 2, 3, 4))
        taken[n] = [Fraction(d) for d in FALLBACK]
        if n1 and n2 and n3:
            y = Fraction(n1, n1 + 2 * n2)
            d = [1 - 2 * y * n2 / n1, 2 - 3 * y * Fraction(n3, n2), 3 - 4 * y * Fraction(n4, n3)]
            if min(d) > 0:
                taken[n] = d
    followers = defaultdict(set)
    for gram in count:
        followers[gram[:-1]].add(gram[-1])

    def p(symbol, context):
        if not followers[context]:
            return p(symbol, context[1:])
        n = len(context) + 1
        counts = [count[*context, w] for w in followers[context]]
        gamma = sum(taken[n][min(c, 3) - 1] for c in counts) / sum(counts)
        lower = p(symbol, context[1:]) if context else Fraction(1, len(symbols))
        c = count.get((*context, symbol), 0)
        return (c - taken[n][min(c, 3) - 1] if c else 0) / Fraction(sum(counts)) + gamma * lower

    return p


def some_sentences(seed, symbols="abcdefg", number=60):
    """Sentences with a skewed distribution, so that counts of 1, 2, 3 and 4 all occur."""
    rng = np.random.default_rng(seed)
    weights = 0.6 ** np.arange(len(symbols))
    return [list(rng.choice(list(symbols), rng.integers(0, 8), p=weights / weights.sum())) for _ in range(number)]


def test_five_words_worked_by_hand():
    model = lm.estimate([["a", "b", "a"], ["b", "a"]], 2)
    # Bigrams: <s> a 1, <s> b 1, a b 1, b a 2, a </s> 2; no count of 3, so D = 0.5, 1, 1.5.
    # Symbols seen before: a 2 (<s>, b), b 2 (a, <s>), </s> 1 (a). What is taken: (1 + 1 + 0.5) / 5 = 0.5,
    # shared by a, b, </s>, <unk>: 0.125 each.
    assert probability(model, ["zebra"], "a") == pytest.approx(1 / 5 + 0.125)
    assert probability(model, ["zebra"], "b") == pytest.approx(1 / 5 + 0.125)
    assert probability(model, ["zebra"], "</s>") == pytest.approx(0.5 / 5 + 0.125)
    assert probability(model, ["zebra"], "zebra") == pytest.approx(0.125)
    # After <s>: a 1, b 1, taken (0.5 + 0.5) / 2.
    assert probability(model, [], "a") == pytest.approx(0.5 / 2 + 0.5 * 0.325)
    assert probability(model, [], "</s>") == pytest.approx(0.5 * 0.225)
    # After a: b 1, </s> 2, taken (0.5 + 1) / 3.
    assert probability(model, ["a"], "b") == pytest.approx(0.5 / 3 + 0.5 * 0.325)
    assert probability(model, ["a"], "</s>") == pytest.approx(1 / 3 + 0.5 * 0.225)
    # After b: a 2, taken 1 / 2.
    assert probability(model, ["b"], "a") == pytest.approx(1 / 2 + 0.5 * 0.325)
    assert probability(model, ["b"], "b") == pytest.approx(0.5 * 0.325)


def test_discounts_worked_by_hand():
    # n1..n4 = 4, 2, 1, 1; Y = 4 / 8; D1 = 1 − 2Y·2/4, D2 = 2 − 3Y·1/2, D3 = 3 − 4Y·1/1; counts of 0 are not n-grams.
    assert discounts(np.array([1, 1, 1, 1, 2, 2, 3, 4, 0, 0, 9])).tolist() == [0, 0.5, 1.25, 1.0]


@pytest.mark.parametrize("counts", [[50, 60, 70], [1, 1, 2], [1, 3, 3, 4], [2, 3, 4], [1, 2, 3, 3, 3, 3]], ids=str)
def test_counts_that_define_no_discounts_take_the_fallback(counts):
    assert discounts(np.array(counts)).tolist() == [0, *FALLBACK]


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_it_is_what_the_papers_write(order, seed):
    sentences = some_sentences(seed)
    model = lm.estimate(sentences, order, "abcdefgz")  # z is never seen
    events = [*"abcdefgz", "</s>"]
    p = written_out(sentences, order, events)
    histories = [tuple(s[:i]) for s in sentences[:15] for i in range(len(s) + 1)] + [("z", "z", "a"), ("g", "g", "g")]
    for history in histories:
        context = ("<s>", *history)[max(0, len(history) + 2 - order) :] if order > 1 else ()
        for event in events:
            assert probability(model, history, event) == pytest.approx(float(p(event, context)), rel=1e-12)


def test_the_fallback_and_the_formula_are_both_met_above():
    sentences = some_sentences(0)
    padded = [["<s>", *s, "</s>"] for s in sentences]
    bigrams = Counter(pair for s in padded for pair in zip(s, s[1:], strict=False))
    assert discounts(np.array(list(bigrams.values()))).tolist() != [0, *FALLBACK]
    assert discounts(np.array([len({a for a, b in bigrams if b == w}) for w in [*"abcdefg", "</s>"]]))[1] == FALLBACK[0]


def test_the_start_of_a_sentence_is_never_predicted_and_written_as_minus_99():
    model = lm.estimate(some_sentences(0), 3)
    assert model.grams[0].probability[model.symbols.index("<s>")] == -99
    assert all((table.ids[:, -1] != model.symbols.index("<s>")).all() for table in model.grams[1:])


def test_perplexity_on_real_text_is_the_papers():
    if not SAMPLE.is_dir():
        pytest.skip("the TIMIT sample is not here; set TIMIT_SAMPLE to its folder")
    texts = [path.read_text(encoding="utf-8").lower().split()[2:] for path in sorted(SAMPLE.glob("*/*.txt"))]
    train, test = texts[: len(texts) * 3 // 4], texts[len(texts) * 3 // 4 :]
    model = lm.estimate(train, 3)
    known = {word for text in train for word in text}
    p = written_out(train, 3, [*known, "</s>", "<unk>"])
    total, tokens, unknown = 0.0, 0, 0
    for text in test:
        words = ["<s>", *(word if word in known else "<unk>" for word in text), "</s>"]
        unknown += words.count("<unk>")
        tokens += len(words) - 1
        total += sum(math.log(p(words[i], tuple(words[max(0, i - 2) : i]))) for i in range(1, len(words)))
    result = lm.perplexity(model, test)
    assert result == pytest.approx((math.exp(-total / tokens), tokens, unknown), rel=1e-12)
    assert unknown > 50
