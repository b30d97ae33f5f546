"""The one error a user is meant to read."""

from localcal.errors import near, one_line, one_of


def test_what_an_error_says_fits_one_line():
    assert one_line(ValueError("a file\n  ended\tearly\n")) == "a file ended early"


def test_few_names_are_listed_and_of_many_the_nearest_is_told():
    few = ["RENTED", "OWNED", "NONE"]
    assert one_of("RENTD", few) == "one of RENTED, OWNED, NONE (did you mean RENTED?)"
    assert one_of("rented", few).endswith("(did you mean RENTED?)")
    assert one_of("x", few) == "one of RENTED, OWNED, NONE"
    many = [f"name_{number}" for number in range(40)]
    assert one_of("name17", many) == "one of 40 names (did you mean name_17?)"
    assert one_of("x", many) == "one of 40 names, such as name_0"
    assert near("name17", many) == " (did you mean name_17?)" and near("x", many) == ""
