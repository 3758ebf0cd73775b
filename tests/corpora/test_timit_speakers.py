from asr.corpora.timit_speakers import (
    CORE_TEST_SPEAKERS,
    DEV_SPEAKERS,
    SAMPLE_DEV_SPEAKERS,
    SAMPLE_TEST_SPEAKERS,
    TRAIN_SPEAKERS,
)


def test_the_sets_have_the_right_numbers_of_speakers_and_share_none():
    assert (len(CORE_TEST_SPEAKERS), len(DEV_SPEAKERS)) == (24, 50)
    assert not CORE_TEST_SPEAKERS & DEV_SPEAKERS
    assert not SAMPLE_TEST_SPEAKERS & SAMPLE_DEV_SPEAKERS
    assert not TRAIN_SPEAKERS & (CORE_TEST_SPEAKERS | DEV_SPEAKERS)
    assert SAMPLE_TEST_SPEAKERS | SAMPLE_DEV_SPEAKERS <= TRAIN_SPEAKERS


def test_the_core_test_set_has_two_men_and_one_woman_per_dialect_region():
    """TIMIT's testset.doc, table 1, region by region."""
    regions = """dab0 wbt0 elc0  tas1 wew0 pas0  jmp0 lnt0 pkt0  lll0 tls0 jlm0
        bpm0 klt0 nlp0  cmj0 jdh0 mgd0  grt0 njm0 dhc0  jln0 pam0 mld0""".split()
    men, more_men, women = regions[::3], regions[1::3], regions[2::3]
    assert {f"m{name}" for name in men + more_men} | {f"f{name}" for name in women} == CORE_TEST_SPEAKERS
