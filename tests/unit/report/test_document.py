"""The page as a whole: one file, in words, for everybody."""

import json
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from localcal.release.gates import Gate
from localcal.report import elements, jobs, named, verdict
from localcal.report.document import write_document
from localcal.report.embedded import as_script, embedded
from localcal.report.jobs import Job

LOADING = {"script": "src", "img": "src", "link": "href", "iframe": "src", "use": "href"}


class Page(HTMLParser):
    """What a reader of the page meets."""

    def __init__(self, text):
        super().__init__()
        self.loaded, self.ids, self.tags, self.open = [], [], [], []
        self.data = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        of = dict(attrs)
        self.tags.append((tag, of))
        self.ids += [of["id"]] if "id" in of else []
        if of.get(LOADING.get(tag, "")):
            self.loaded.append(of[LOADING[tag]])
        self.open.append(of.get("id"))

    def handle_endtag(self, tag):
        self.open.append(None)

    def handle_data(self, data):
        if self.open and self.open[-1] == "data":
            self.data += data


@pytest.fixture
def data(fit, simulated):
    return embedded([fit], simulated, None)


def test_the_page_loads_nothing_and_has_its_data_headings_and_contents(tmp_path, data):
    parts = [elements.section("answer", "May it?", "<p>Yes.</p>"), elements.section("b", "<B>")]
    write_document(tmp_path / "index.html", "demo <1>", parts, data)
    text = (tmp_path / "index.html").read_text()
    page = Page(text)
    assert all(address.startswith("data:") for address in page.loaded)
    assert "@import" not in text and "url(" not in text
    assert len(set(page.ids)) == len(page.ids)
    assert {"answer", "b", "area", "data"} <= set(page.ids)
    links = [of["href"] for tag, of in page.tags if tag == "a"]
    assert {"#answer", "#b"} <= set(links)
    assert "demo &lt;1&gt;" in text and "demo <1>" not in text
    assert json.loads(page.data) == json.loads(json.dumps(data))
    assert {"lang": "en"} in [of for tag, of in page.tags if tag == "html"]


def test_no_text_ends_the_element_of_the_data():
    text = as_script({"what": ["</script><b>"]})
    assert text.count("</script") == 1 and "<b" not in text
    assert json.loads(Page(text).data) == {"what": ["</script><b>"]}


def test_every_target_has_words_its_place_and_its_three_values(fit, data):
    columns = data["targets"]["local"]
    assert {len(column) for column in columns.values()} == {len(fit.targets)}
    said = [data["what"][at] for at in columns["what"]]
    assert said == named.subjects(fit.targets)
    assert all(text and "_" not in text for text in said)
    for key, column in (("published", "published_value"), ("harmonized", "harmonized_value")):
        assert columns[key] == pytest.approx(fit.targets[column].tolist(), rel=1e-5)
    placed = [data["areas"][at] for at in columns["area"]]
    pairs = zip(fit.targets["geo_level"], fit.targets["geographic_id"], strict=True)
    assert [(one["level"], one["code"]) for one in placed] == list(pairs)


def test_a_district_knows_its_state_and_the_state_its_districts(data):
    areas = data["areas"]
    for at, area in enumerate(areas):
        if area["level"] == "district":
            assert at in areas[area["part_of"]]["parts"] and at not in area["near"]


def test_a_table_is_escaped_named_and_sorted_by_what_its_figures_are():
    rows = [[elements.Cell("<b>", link="#x&y"), elements.figure(1.58e13, True)]] * 4
    text = elements.table("Which <is>", ["Name", "Total"], rows)
    assert "<b>" not in text and 'href="#x&amp;y"' in text
    assert "<caption>Which &lt;is&gt;</caption>" in text
    assert 'data-sort="1.58e+13">$15.8\u00a0trillion</td>' in text
    assert text.count('scope="col"') == 2 and text.count('scope="row"') == 4
    assert 'class="sortable"' in text
    assert elements.table("Empty", ["A"], []) == "<p>Empty: none.</p>"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.00013, "0.013 %"), (0.051, "5.1 %"), (0.0996, "10 %"), (0, "0.0 %"), (1e-7, "< 0.001 %")],
)
def test_shares_have_two_digits(value, text):
    assert elements.percent(value).replace("\u00a0", " ") == text


def test_durations_are_in_words():
    said = [elements.seconds(value).text.replace("\u00a0", " ") for value in (8.2, 200, 7500)]
    assert said == ["8.2 s", "3 min 20 s", "2 h 05 min"]


def test_the_answer_is_no_where_a_gate_refuses_and_says_why_in_words(fit):
    known = {"state_6/snap": "SNAP, California"}
    gate = Gate("errors", {}, {}, ["largest error (state_6/snap) is 0.9"], "")
    text = verdict.answer([fit], [gate, replace(gate, name="live", reasons=[])], known)
    assert "Not as it is: 1 of 2 checks refuse it." in text
    assert "Largest error (SNAP, California) is 0.9." in text
    assert text.count("<dt>") == 5
    assert "all 1 checks pass" in verdict.answer([fit], [replace(gate, reasons=[])], known)
    assert "Not known" in verdict.answer([fit], [], known)
    assert verdict.LATER in verdict.checks([gate], known)


def job(name, begun, wall, **other):
    rule = {"rule": name, "name": name, "asked_mb": None, "worker": None, "failed": False}
    return Job(**{**rule, "begun": begun, "wall": wall, "cpu": wall, "peak_mb": 100.0, **other})


def test_jobs_at_the_same_time_stand_in_different_lanes_and_pauses_are_cut_out():
    found = [job("a", 0, 10), job("b", 5, 10), job("c", 10, 5), job("d", 1000, 10)]
    assert [[one.name for one in lane] for _, lane in jobs.lanes(found)] == [["a", "c", "d"], ["b"]]
    text = jobs.draw_timeline(found)
    assert "1 pauses" in text and "25.0\u00a0s" in text
    assert text.count("<title>") == 4
    workers = [job("a", 0, 1, worker="w2"), job("b", 5, 1, worker="<w1>")]
    assert [name for name, _ in jobs.lanes(workers)] == ["<w1>", "w2"]
    assert "<w1>" not in jobs.draw_timeline(workers)


def test_memory_is_told_against_what_was_asked_where_that_is_known():
    text = jobs.sum_up([job("fit_weights", 0, 1, asked_mb=400.0), job("write_area", 1, 1)])
    assert "25\u00a0%" in text and "not known" in text
    assert "not beside it" in jobs.sum_up([])


def test_the_graph_has_no_edge_that_follows_from_others():
    graph = {"a": set(), "b": {"a"}, "c": {"a", "b"}}
    assert jobs.layers(graph) == [["a"], ["b"], ["c"]]
    assert jobs.direct(graph) == [("a", "b"), ("b", "c")]
    assert jobs.draw_graph(graph, []).count("<path") == 2


def test_reasons_and_findings_are_in_words():
    assert named.reason("met", 50.0) == "met"
    assert named.reason("contradicted", 1.12).endswith("it rests on 1.1 effective households")
    assert named.family_in_words("household_count", "snap") == "Households by SNAP"
    said = named.finding_in_words("state / snap / snap: largest error 36%", {})
    assert said == "state: SNAP: largest error 36%"
    said = named.finding_in_words("state 12: 1 moved (state_12/snap)", {"state_12/snap": "SNAP"})
    assert said == "Florida: 1 moved (SNAP)"
