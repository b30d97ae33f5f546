"""The report's tables as people read them."""

from localcal.report import shown, tables


def test_the_worst_targets_are_named_in_words_with_their_reason_and_values(fit):
    known, money = shown.names_of([fit]), shown.is_money_of([fit])
    worst = tables.worst_targets([fit])
    text = shown.worst(worst, known, money)
    first = worst.iloc[0]
    assert known[first["name"]].split(",")[0] in text and first["name"] not in text
    assert "Harmonized" in text and "Published" in text


def test_files_of_areas_lead_to_their_pages_and_a_city_to_none():
    assert shown.place_of_file("state", "OH") == ("Ohio", "#area/state/39")
    assert shown.place_of_file("district", "OH-05") == ("Ohio, district 5", "#area/district/3905")
    assert shown.place_of_file("nation", "US") == ("United States", "#area/nation/US")
    assert shown.place_of_file("city", "NYC") == ("NYC", "")
