"""The page as a whole: one file, in words, for everybody."""

import json
from html.parser import HTMLParser

from localcal.report import elements
from localcal.report.document import write_document
from localcal.report.embedded import as_script, embedded

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


def test_the_page_loads_nothing_and_has_its_data_headings_and_contents(tmp_path, fit, simulated):
    data = embedded([fit], simulated, None)
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
