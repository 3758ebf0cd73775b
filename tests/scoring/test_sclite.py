"""Agreement with NIST sclite: run where it is installed, and always compared with what it said when it was.

All three scorers minimise: jiwer and this one the number of errors, sclite 4 × substitutions + 3 × (deletions +
insertions). Two substitutions may so become a deletion, a hit and an insertion, which is as many errors split
differently. Where a hypothesis has little to do with its reference, sclite may go further and give up more errors for
hits: five substitutions (20) for three deletions and three insertions (18). Its total is then above the minimum.
"""

import importlib.util
import json
from functools import cache
from pathlib import Path

import jiwer
import numpy as np
import pytest
from scipy import stats

from asr.evaluation import comparison
from asr.scoring import alignment, trn
from asr.scoring.conventions import CONVENTIONS

GOLDEN = Path(__file__).parent.parent / "golden"
spec = importlib.util.spec_from_file_location("make_sclite", GOLDEN / "make_sclite.py")
make = importlib.util.module_from_spec(spec)
spec.loader.exec_module(make)
SAID = json.loads((GOLDEN / "sclite" / "counts.json").read_text())
SETS = [*make.SYSTEMS, "sown", "unrelated"]
needs_sclite = pytest.mark.skipif(not make.sclite(), reason="sclite is not installed")


@cache
def both_sides(name):
    if name in make.SYSTEMS:
        return trn.read(GOLDEN / "sclite" / "reference.trn"), trn.read(GOLDEN / "sclite" / f"{name}.trn")
    return {"sown": make.sown_pairs, "unrelated": make.unrelated_pairs}[name]()


@cache
def aligned(name):
    return alignment.align_all(*both_sides(name))


def sclites_price(reference, hypothesis):
    """The smallest 4 S + 3 (D + I), by the textbook's recursion in integers."""
    row = [3 * j for j in range(len(hypothesis) + 1)]
    for i, symbol in enumerate(reference, 1):
        above, row = row, [3 * i]
        for j, other in enumerate(hypothesis, 1):
            row.append(min(above[j] + 3, row[-1] + 3, above[j - 1] + 4 * (symbol != other)))
    return row[-1]


@pytest.mark.parametrize("name", SETS)
def test_jiwers_own_counts_are_ours(name):
    references, hypotheses = both_sides(name)
    for id, each in aligned(name).items():
        if references[id]:
            said = jiwer.process_words(" ".join(references[id]), " ".join(hypotheses.get(id, [])))
            ours = each.count
            assert [said.hits, said.substitutions, said.deletions, said.insertions] == [
                ours.hits,
                ours.substitutions,
                ours.deletions,
                ours.insertions,
            ]


@pytest.mark.parametrize("name", [*make.SYSTEMS, "sown"])
def test_sclites_totals_are_ours_in_every_utterance(name):
    assert set(SAID[name]) == set(aligned(name)) and len(SAID[name]) >= 180
    for id, (hits, substitutions, deletions, insertions) in SAID[name].items():
        count = aligned(name)[id].count
        assert substitutions + deletions + insertions == count.errors, id
        assert hits + substitutions + deletions == count.total
        assert deletions - insertions == count.deletions - count.insertions  # whatever the split


def test_the_split_differs_only_by_substitutions_that_became_a_deletion_and_an_insertion():
    traded = 0
    for id, (hits, substitutions, _, insertions) in SAID["sown"].items():
        count = aligned("sown")[id].count
        assert count.substitutions - substitutions == 2 * (insertions - count.insertions) >= 0, id
        assert hits - count.hits == insertions - count.insertions
        traded += insertions > count.insertions
    assert 0 < traded < 200


def test_on_unrelated_pairs_sclite_may_exceed_the_minimum_but_not_its_own_price():
    references, hypotheses = both_sides("unrelated")
    above = 0
    for id, (_, substitutions, deletions, insertions) in SAID["unrelated"].items():
        assert 4 * substitutions + 3 * (deletions + insertions) == sclites_price(references[id], hypotheses[id]), id
        assert substitutions + deletions + insertions >= aligned("unrelated")[id].count.errors
        above += substitutions + deletions + insertions > aligned("unrelated")[id].count.errors
    assert above == 13  # of 300


def test_mapsswe_is_sc_stats():
    segments, mean, deviation, z = SAID["mapsswe"]["two"]
    found = comparison.mapsswe(aligned("one"), aligned("two"))
    assert found.segments == segments == 524
    assert (found.mean, found.deviation, found.z) == pytest.approx((mean, deviation, z), abs=6e-4)
    assert found.p == pytest.approx(2 * stats.norm.sf(z), abs=1e-4) and 0.02 < found.p < 0.05


def test_mapsswe_depends_little_on_which_of_the_cheapest_alignments_is_taken():
    """Many deletions can be placed in many ways, which moves the borders of some segments."""
    segments, mean, _, z = SAID["mapsswe"]["small"]
    found = comparison.mapsswe(aligned("one"), aligned("small"))
    assert (found.segments, found.mean, found.z) == pytest.approx((segments, mean, z), rel=0.02)


@needs_sclite
@pytest.mark.parametrize("other", make.SYSTEMS[1:])
def test_mapsswe_is_sc_stats_to_the_digit_on_sclites_own_alignments(other):
    folder = GOLDEN / "sclite"
    one, two = (
        {id: alignment.Alignment(pairs) for id, pairs in make.pairs(piped).items()}
        for piped in (make.aligned(folder / "reference.trn", folder / f"{name}.trn") for name in ("one", other))
    )
    segments, mean, deviation, z = SAID["mapsswe"][other]
    found = comparison.mapsswe(one, two)
    assert found.segments == segments
    assert (found.mean, found.deviation, found.z) == pytest.approx((mean, deviation, z), abs=6e-4)


@needs_sclite
def test_sclite_still_says_what_it_said():
    assert make.golden() == SAID


@needs_sclite
def test_optional_silence_forgives_at_least_what_sclite_does():
    references, hypotheses = both_sides("one")
    optional = {id: [f"({s})" if s == "sil" else s for s in symbols] for id, symbols in references.items()}
    said = optional_counts(optional, hypotheses)
    convention = CONVENTIONS["phones39"]["optional silence"]
    ours = alignment.align_all(references, hypotheses, convention.free)
    for id, (hits, substitutions, deletions, insertions) in said.items():
        assert hits + substitutions + deletions == ours[id].count.total  # the denominator stays
        assert ours[id].count.errors <= substitutions + deletions + insertions
    errors = sum(sum(row[1:]) for row in said.values())
    assert errors - 3 <= alignment.total(ours).errors < alignment.total(aligned("one")).errors


def optional_counts(references, hypotheses):
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        paths = Path(folder) / "ref.trn", Path(folder) / "hyp.trn"
        for path, rows in zip(paths, (references, hypotheses), strict=True):  # trn.write refuses what is optional
            path.write_text("".join(f"{' '.join(symbols)} ({id})\n" for id, symbols in rows.items()))
        return make.counts(*paths, "-D")


@needs_sclite
def test_what_we_write_sclite_reads_as_we_do(tmp_path):
    """Words of every printable character that trn can hold; the others are refused."""
    generator = np.random.default_rng(8)
    letters = [c for c in map(chr, range(33, 127)) if c not in "(){};*@"] + list("éßж")
    words = ["".join(generator.choice(letters, generator.integers(1, 4))) for _ in range(400)]
    references = {f"s{i}-u": generator.choice(words, 12).tolist() for i in range(60)}
    hypotheses = {id: [*symbols[:5], str(generator.choice(words)), *symbols[6:]] for id, symbols in references.items()}
    said = make.counts_of(references, hypotheses)
    for id, row in said.items():
        count = alignment.align(references[id], hypotheses[id]).count
        assert sum(row[1:]) == count.errors and row[0] + row[1] + row[2] == count.total
    assert len(said) == 60
