import gzip
import math

import numpy as np
import pytest

from asr import lm
from asr.errors import AsrError, InputError
from asr.lm import arpa

# As SRILM and KenLM write: words before the model, tabs and spaces, no weights where there is nothing longer.
ARPA = """a comment that is no part of the model

\\data\\
ngram 1=5
ngram  2 = 4
ngram 3=2

\\1-grams:
-99\t<s>\t-0.5
-0.7\t</s>
-0.6 a -0.25
-0.5\tb\t0.125

-1.5\t<unk>

\\2-grams:
-0.3\t<s> a\t-0.1
-0.2\ta b\t-0.4
-0.9\tb b
-0.4\tb </s>

\\3-grams:
-0.15\t<s> a b
-0.05 a b </s>

\\end\\
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "lm.arpa"
    path.write_text(ARPA, encoding="utf-8")
    return path


def log10(model, symbols):
    """The log10 probabilities of the symbols and of the end."""
    state, scores = model.start, []
    for id in model.ids(symbols):
        state, score = model.score(state, id)
        scores.append(score / math.log(10))
    return [*scores, model.finish(state) / math.log(10)]


def katz(model, symbols):
    """The same by the definition of back-off, on the n-grams as they are listed."""
    listed = {
        tuple(ids): (probability, backoff)
        for table in model.grams
        for ids, probability, backoff in zip(
            table.ids.tolist(), table.probability.tolist(), table.backoff.tolist(), strict=True
        )
    }

    def p(context, symbol):
        if (*context, symbol) in listed:
            return listed[*context, symbol][0]
        return listed.get(context, (0, 0.0))[1] + p(context[1:], symbol)

    ids = [model.symbols.index("<s>"), *model.ids(symbols), model.symbols.index("</s>")]
    return [p(tuple(ids[max(0, i - model.order + 1) : i]), ids[i]) for i in range(1, len(ids))]


def same(one, other):
    assert one.symbols == other.symbols
    for table, twin in zip(one.grams, other.grams, strict=True):
        for array, again in zip(table, twin, strict=True):
            assert array.dtype == again.dtype
            assert array.tobytes() == again.tobytes()
    for array, again in zip(one.automaton, other.automaton, strict=True):
        assert array.tobytes() == again.tobytes()


def test_scores_worked_by_hand(path):
    model = lm.read(path)
    assert log10(model, ["a", "b"]) == pytest.approx([-0.3, -0.15, -0.05])
    # b after <s> backs off; b after (<s> b) has no longer context; a after (b b) backs off twice, to a 1-gram.
    assert log10(model, ["b", "b", "a"]) == pytest.approx([-0.5 - 0.5, -0.9, 0.125 - 0.6, -0.25 - 0.7])
    # a after (a b) backs off twice: the weights of (a b) and of b.
    assert log10(model, ["a", "b", "a"])[2] == pytest.approx(-0.4 + 0.125 - 0.6)
    # What the model does not know is <unk>, after which it knows nothing.
    assert log10(model, ["a", "c", "b"])[1:3] == pytest.approx([-0.1 - 0.25 - 1.5, -0.5])


def test_scores_are_those_of_the_back_off_definition(path):
    model = lm.read(path)
    rng = np.random.default_rng(0)
    for _ in range(200):
        symbols = list(rng.choice(["a", "b", "<other>"], rng.integers(0, 9)))
        assert log10(model, symbols) == pytest.approx(katz(model, symbols), abs=1e-12)


def test_pruned_models_follow_the_back_off_definition_too(tmp_path):
    """Any subset of longer n-grams that keeps contexts; suffixes may be missing, weights are arbitrary."""
    rng = np.random.default_rng(1)
    for trial in range(20):
        levels, symbols = [["<s>", "</s>", "a", "b", "c"]], ["a", "b", "c"]
        for _ in range(3):
            longer = [f"{g} {w}" for g in levels[-1] if not g.endswith("</s>") for w in ("a", "b", "c", "</s>")]
            levels.append([g for g in longer if rng.random() < 0.4])
        lines = ["\\data\\", *(f"ngram {n}={len(level)}" for n, level in enumerate(levels, 1))]
        for n, level in enumerate(levels, 1):
            weight = (lambda: "") if n == len(levels) else (lambda: f" {rng.normal()}" * int(rng.random() < 0.7))
            lines += [f"\\{n}-grams:", *(f"{-rng.random()} {gram}{weight()}" for gram in rng.permutation(level))]
        path = tmp_path / f"{trial}.arpa"
        path.write_text("\n".join([*lines, "\\end\\"]), encoding="utf-8")
        model = lm.read(path)
        for _ in range(50):
            said = list(rng.choice(symbols, rng.integers(0, 9)))
            assert log10(model, said) == pytest.approx(katz(model, said), abs=1e-12)
        _, score, final = model.tables(["<blank>", *symbols])
        ids = model.ids(symbols)
        for state in range(len(final)):
            assert score[state, 1:] == pytest.approx([model.score(state, id)[1] for id in ids], abs=1e-12)


@pytest.mark.parametrize("name", ["lm.arpa", "lm.arpa.gz"])
@pytest.mark.parametrize("order", [1, 2, 4])
def test_written_and_read_it_is_the_same_model_bit_by_bit(tmp_path, name, order):
    rng = np.random.default_rng(order)
    sentences = [list(rng.choice([*"abcdé ", "\u00a0", "｜"], 12)) for _ in range(40)]
    model = lm.estimate(sentences, order)
    lm.write(model, tmp_path / name)
    same(lm.read(tmp_path / name), model)


def test_what_others_wrote_is_written_and_read_the_same(path, tmp_path):
    model = lm.read(path)
    lm.write(model, tmp_path / "again.arpa")
    same(lm.read(tmp_path / "again.arpa"), model)


def test_the_same_model_is_the_same_bytes(path, tmp_path):
    model = lm.read(path)
    lm.write(model, tmp_path / "one.gz")
    lm.write(model, tmp_path / "two.gz")
    assert (tmp_path / "one.gz").read_bytes() == (tmp_path / "two.gz").read_bytes()
    assert (tmp_path / "one.gz").read_bytes()[3:8] == bytes(5)  # neither a name nor a time
    assert gzip.decompress((tmp_path / "one.gz").read_bytes()).startswith(b"\\data\\\nngram 1=5\n")


def test_line_ends_of_windows_and_the_order_of_lines_do_not_matter(path):
    model = lm.read(path)
    path.write_bytes(
        ARPA.replace("-0.9\tb b\n-0.4\tb </s>\n", "-0.4\tb </s>\n-0.9\tb b\n").replace("\n", "\r\n").encode()
    )
    same(lm.read(path), model)


def test_a_space_is_written_as_a_word(tmp_path):
    lm.write(lm.estimate([["a", " ", "b"]], 2, ["a", "b", " "]), tmp_path / "lm.arpa")
    assert "\t<space> b\n" in (tmp_path / "lm.arpa").read_text()
    assert lm.read(tmp_path / "lm.arpa").symbols == ("<s>", "</s>", "a", "b", " ")


@pytest.mark.parametrize("symbol", ["", "a b", "a\tb", "\n"])
def test_a_symbol_that_the_format_cannot_hold_is_refused(tmp_path, symbol):
    model = lm.estimate([[symbol]], 1)
    with pytest.raises(AsrError, match=r"lm\.arpa: an ARPA file cannot represent the symbol .*; rename it"):
        lm.write(model, tmp_path / "lm.arpa")
    assert not list(tmp_path.iterdir())


def test_a_space_and_its_word_are_not_both_symbols(tmp_path):
    with pytest.raises(AsrError, match="cannot represent the symbol '<space>'"):
        lm.write(lm.estimate([[" ", "<space>"]], 1), tmp_path / "lm.arpa")


def test_minus_zero_is_zero(path, tmp_path):
    path.write_text(ARPA.replace("a -0.25", "a -0"), encoding="utf-8")
    lm.write(lm.read(path), tmp_path / "again.arpa")
    same(lm.read(tmp_path / "again.arpa"), lm.read(path))


def test_float32_rounding_above_zero_is_zero(path):
    path.write_text(ARPA.replace("-0.05 a b", "1.2e-07 a b"))
    assert log10(lm.read(path), ["a", "b"])[-1] == 0


BAD = {
    "no model": ("\\data\\", "data", r":26: ends before \\data\\; .* not an ARPA file"),
    "cut short in a section": (
        ARPA[ARPA.index("-0.9\tb b") :],
        "",
        r":18: ends before what follows the 4 2-grams; .*truncated",
    ),
    "cut short at the end": ("\\end\\\n", "", r":25: ends before what follows the 2 3-grams"),
    "cut short inside a line": (" b </s>\n\n\\end\\\n", "", r":24: 2 fields, expected a probability, 3 symbols"),
    "no counts": ("ngram 1=5\nngram  2 = 4\nngram 3=2\n", "", ":5: declares no n-grams"),
    "a count without end": (
        "ngram 3=2",
        "ngram 3=" + "9" * 5000,
        ":6: expected 'ngram 3=<count>', got 'ngram 3=99999.*'",
    ),
    "an invalid count": ("ngram 3=2", "ngram 3=x", ":6: expected 'ngram 3=<count>', got 'ngram 3=x'"),
    "orders out of order": ("ngram 3=2", "ngram 4=2", ":6: expected 'ngram 3=<count>', got 'ngram 4=2'"),
    "too many declared": ("ngram  2 = 4", "ngram 2=5", ":22: 4 2-grams, but 5 are declared"),
    "absurdly many": ("ngram  2 = 4", f"ngram 2={10**15}", f":22: 4 2-grams, but {10**15} are declared"),
    "too few declared": ("ngram  2 = 4", "ngram 2=3", ":20: one more 2-gram than the 3 declared"),
    "a section missing": ("\\2-grams:", "\\3-grams:", r":16: expected '\\2-grams:', got '\\3-grams:'"),
    "an undeclared section": ("\\end", "\\4-grams:\n\\end", r":26: expected '\\end\\', got '\\4-grams:'"),
    "a missing context": ("<s> a b", "b a b", ":23: the context 'b a' is not among the 2-grams.*add it with weight 0"),
    "an unknown symbol": ("b b\n", "b c\n", ":19: 'c' is not among the 1-grams"),
    "a duplicate n-gram": ("b b\n", "a b\n", ":19: 'a b' is a duplicate of line 18"),
    "a duplicate symbol": ("b\t0.125", "a\t0.125", ":12: 'a' is a duplicate of line 11"),
    "not a number": ("-0.15", "x", ":23: 'x' is not a finite number"),
    "nan": ("-0.15", "nan", ":23: 'nan' is not a finite number"),
    "an infinite weight": ("-0.4\n", "-inf\n", ":18: '-inf' is not a finite number"),
    "a probability above 1": ("-0.15", "0.15", r":23: log10 probability 0\.15 is above 0"),
    "too many fields": ("a b\t-0.4", "a b\t-0.4 7", ":18: 5 fields, expected a probability, 2 symbols and optionally"),
    "a weight at the highest order": ("a b </s>", "a b </s> -1", r":24: back-off weight -1\.0 at the highest order, 3"),
    "no start": ("<s>", "<t>", r"lm\.arpa: the language model has no <s>; add it"),
    "no end": ("</s>", "</t>", r"lm\.arpa: the language model has no </s>; add it"),
}


@pytest.mark.parametrize(("old", "new", "message"), BAD.values(), ids=BAD)
def test_a_bad_file_is_refused_in_one_line_that_says_where(path, old, new, message):
    assert old in ARPA
    path.write_text(ARPA.replace(old, new), encoding="utf-8")
    with pytest.raises(InputError, match=message) as caught:
        lm.read(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_every_file_that_is_cut_short_is_refused(path):
    whole = ARPA.rstrip().encode()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError):
            lm.read(path)


def test_bytes_that_are_not_utf_8_are_refused(path):
    path.write_bytes(ARPA.replace("<unk>", "é").encode("latin-1"))
    with pytest.raises(InputError, match=r":14: b'\\xe9' is not UTF-8; convert the file"):
        lm.read(path)


def test_a_missing_file_and_a_broken_archive_are_named(tmp_path):
    with pytest.raises(InputError, match=r"no\.arpa: cannot be read as a language model \(No such file"):
        lm.read(tmp_path / "no.arpa")
    packed = gzip.compress(ARPA.encode())
    for content in (b"\\data\\", packed[:-20], packed[:40] + b"\0\0\0\0" + packed[44:]):
        (tmp_path / "bad.gz").write_bytes(content)
        with pytest.raises(InputError, match=r"bad\.gz: "):
            lm.read(tmp_path / "bad.gz")


def test_find_says_where_ngrams_stand(path):
    _, grams = arpa.read(path)
    for table in grams:
        assert arpa.find(grams, table.ids).tolist() == list(range(len(table.ids)))
    assert arpa.find(grams, np.array([[1, 1, 1], [2, 2, 2]], np.int32)).tolist() == [-1, -1]


def test_kenlm_scores_the_same(path, tmp_path):
    kenlm = pytest.importorskip("kenlm", reason="kenlm is not installed; it scores our file as a witness")
    rng = np.random.default_rng(0)
    sentences = [
        list(rng.choice(list("abcdefgh"), rng.integers(0, 20), p=np.arange(8, 0, -1) / 36)) for _ in range(200)
    ]
    lm.write(lm.estimate(sentences, 4), tmp_path / "own.arpa")
    lm.write(lm.read(path), tmp_path / "read.arpa")  # as KenLM wants it: tabs only
    for file in (tmp_path / "read.arpa", tmp_path / "own.arpa"):
        model, witness = lm.read(file), kenlm.Model(str(file))
        for sentence in [*sentences[:50], ["zebra", "a", "zebra", "b"]]:
            theirs = [score for score, _, _ in witness.full_scores(" ".join(sentence))]
            assert log10(model, sentence) == pytest.approx(theirs, abs=1e-5)
