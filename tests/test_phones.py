import pytest

from asr.phones import PHONES_39, PHONES_48, PHONES_61, fold

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
def test_folding_is_idempotent(phones, to):
    assert fold(phones, to) == list(phones)
    assert fold(fold(PHONES_61, to), to) == fold(PHONES_61, to)


def test_folding_via_48_equals_folding_to_39():
    assert fold(fold(PHONES_61, 48), 39) == fold(PHONES_61, 39)


def test_the_glottal_stop_is_deleted_below_61():
    assert fold(["q", "aa", "q"], 61) == ["q", "aa", "q"]
    assert fold(["q", "aa", "q"], 48) == fold(["q", "aa", "q"], 39) == ["aa"]


def test_equal_neighbors_are_not_merged():
    assert fold(["kcl", "h#", "pau"], 39) == ["sil", "sil", "sil"]


def test_an_unknown_symbol_is_refused():
    for to in (48, 39):
        with pytest.raises(KeyError, match="zz"):
            fold(["aa", "zz"], to)


def test_an_unknown_level_is_refused():
    with pytest.raises(KeyError):
        fold(["cl"], 60)
