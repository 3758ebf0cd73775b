import pytest

from asr.phones import (
    CORE_TEST_SPEAKERS,
    DEV_SPEAKERS,
    PHONES_39,
    PHONES_48,
    PHONES_61,
    SAMPLE_DEV_SPEAKERS,
    SAMPLE_TEST_SPEAKERS,
    fold,
)

SAME = "aa ae ah aw ay b ch d dh dx eh er ey f g hh ih iy jh k l m n ng ow oy p r s sh t th uh uw v w y z".split()

# The whole of Lee and Hon's table, written a second time and in another order than the code's: 61, 48, 39.
TABLE = """
    ao ao aa     ax ax ah     ax-h ax ah   axr er er    bcl vcl sil  dcl vcl sil  gcl vcl sil  pcl cl sil
    tcl cl sil   kcl cl sil   epi epi sil  h# sil sil   pau sil sil  zh zh sh     el el l      em m m
    en en n      eng ng ng    nx n n       hv hh hh     ix ix ih     ux uw uw
""".split()
ROWS = [*zip(TABLE[::3], TABLE[1::3], TABLE[2::3], strict=True), *((phone, phone, phone) for phone in SAME)]


@pytest.mark.parametrize(("fine", "middle", "coarse"), ROWS)
def test_a_phone_folds_as_in_the_table(fine, middle, coarse):
    assert fold([fine], 61) == [fine]
    assert fold([fine], 48) == [middle]
    assert fold([fine], 39) == fold([middle], 39) == [coarse]


def test_the_table_is_complete():
    assert sorted([*(fine for fine, _, _ in ROWS), "q"]) == list(PHONES_61)
    assert sorted({middle for _, middle, _ in ROWS}) == list(PHONES_48)
    assert sorted({*SAME, "sil"}) == sorted({coarse for _, _, coarse in ROWS}) == list(PHONES_39)
    assert (len(PHONES_61), len(PHONES_48), len(PHONES_39)) == (61, 48, 39)


@pytest.mark.parametrize(("phones", "to"), [(PHONES_48, 48), (PHONES_39, 39), (PHONES_61, 61)])
def test_what_is_folded_stays_as_it_is(phones, to):
    assert fold(phones, to) == list(phones)
    assert fold(fold(PHONES_61, to), to) == fold(PHONES_61, to)


def test_folding_in_two_steps_is_folding_in_one():
    assert fold(fold(PHONES_61, 48), 39) == fold(PHONES_61, 39)


def test_the_glottal_stop_is_deleted_below_61():
    assert fold(["q", "aa", "q"], 61) == ["q", "aa", "q"]
    assert fold(["q", "aa", "q"], 48) == fold(["q", "aa", "q"], 39) == ["aa"]


def test_equal_neighbours_are_not_merged():
    assert fold(["kcl", "h#", "pau"], 39) == ["sil", "sil", "sil"]


def test_an_unknown_symbol_is_refused():
    for to in (48, 39):
        with pytest.raises(KeyError, match="zz"):
            fold(["aa", "zz"], to)


def test_a_coarse_symbol_cannot_become_a_finer_one():
    with pytest.raises(KeyError):
        fold(["cl"], 60)


def test_the_sets_have_their_speakers_and_share_none():
    assert (len(CORE_TEST_SPEAKERS), len(DEV_SPEAKERS)) == (24, 50)
    assert not CORE_TEST_SPEAKERS & DEV_SPEAKERS
    assert not SAMPLE_TEST_SPEAKERS & SAMPLE_DEV_SPEAKERS
    assert not (SAMPLE_TEST_SPEAKERS | SAMPLE_DEV_SPEAKERS) & (
        CORE_TEST_SPEAKERS | DEV_SPEAKERS
    )  # the sample is of TRAIN


def test_the_core_test_set_is_two_men_and_a_woman_of_each_dialect_region():
    """TIMIT's testset.doc, table 1, region by region."""
    regions = """dab0 wbt0 elc0  tas1 wew0 pas0  jmp0 lnt0 pkt0  lll0 tls0 jlm0
        bpm0 klt0 nlp0  cmj0 jdh0 mgd0  grt0 njm0 dhc0  jln0 pam0 mld0""".split()
    men, more_men, women = regions[::3], regions[1::3], regions[2::3]
    assert {f"m{name}" for name in men + more_men} | {f"f{name}" for name in women} == CORE_TEST_SPEAKERS
