from asr.errors import first_few


def test_a_few_names_are_all_listed():
    assert first_few([]) == ""
    assert first_few(["a", "b"]) == "a, b"
    assert first_few(list("abc"), most=3, separator="; ") == "a; b; c"


def test_of_many_names_the_first_are_listed_and_the_others_counted():
    assert first_few([str(i) for i in range(11)]).endswith("6, 7, and 3 more")
    assert first_few(list("abcd"), 2, " | ") == "a | b | and 2 more"
