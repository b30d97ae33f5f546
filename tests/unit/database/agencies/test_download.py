"""Downloads from a server that fails in every way a server can."""

import email.utils
import hashlib
import logging
import socket
import threading
import time
import traceback

import pytest
import requests

from localcal.database.agencies import download as module
from localcal.database.agencies.download import Order, download
from localcal.errors import InputError
from tests.web_server import Answer, serving

DATA = b"state,people\n" + b"01,5024279\n" * 30_000


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serving() as server:
        server.answers = [Answer(DATA)]
        yield server


@pytest.fixture
def waits(monkeypatch):
    """The pauses between attempts, which are not made."""
    found = []
    monkeypatch.setattr(time, "sleep", found.append)
    return found


def fetch(server, tmp_path, max_bytes=10**6, path="/data.csv"):
    order = Order("data.csv", server.url + path, max_bytes, "or put it there by hand")
    digest = download(order, tmp_path / "data.csv")
    content = (tmp_path / "data.csv").read_bytes()
    assert digest == hashlib.sha256(content).hexdigest()
    return content


def refusal(server, tmp_path, **given):
    with pytest.raises(InputError) as caught:
        fetch(server, tmp_path, **given)
    message = str(caught.value)
    assert message.startswith(f"data.csv: {server.url}/")
    assert message.endswith(", or put it there by hand")
    assert "\n" not in message
    return message


def test_a_file_arrives_byte_by_byte_with_one_request(server, tmp_path, waits):
    assert fetch(server, tmp_path, path="/data.csv?get=group(S0101)&for=us:*") == DATA
    assert server.requests == ["/data.csv?get=group(S0101)&for=us:*"]
    assert waits == []


def test_a_body_without_a_length_arrives_too(server, tmp_path):
    server.answers = [Answer(DATA, length=-1)]
    assert fetch(server, tmp_path) == DATA


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_passing_trouble_is_waited_out_longer_each_time(server, tmp_path, waits, status):
    server.answers = [Answer(status=status), Answer(status=status), Answer(DATA)]
    assert fetch(server, tmp_path) == DATA
    assert waits == [1.0, 2.0]


def test_a_lasting_trouble_is_an_error_after_five_attempts(server, tmp_path, waits):
    server.answers = [Answer(status=503)]
    assert "the server answered 503 (attempt 5, the last)" in refusal(server, tmp_path)
    assert waits == [1.0, 2.0, 4.0, 8.0]
    assert len(server.requests) == 5


@pytest.mark.parametrize(
    ("asked", "waited"), [("7", 7.0), ("0", 1.0), ("86400", 60.0), ("soon", 1.0)]
)
def test_a_server_is_given_the_time_it_asks_for_up_to_a_minute(
    server, tmp_path, waits, asked, waited
):
    server.answers = [Answer(status=429, headers={"Retry-After": asked}), Answer(DATA)]
    assert fetch(server, tmp_path) == DATA
    assert waits == [waited]


def test_a_server_may_say_as_a_date_when_to_come_back(server, tmp_path, waits):
    date = email.utils.formatdate(time.time() + 30, usegmt=True)
    server.answers = [Answer(status=503, headers={"Retry-After": date}), Answer(DATA)]
    assert fetch(server, tmp_path) == DATA
    assert 25 < waits[0] <= 30


def test_a_body_cut_short_is_asked_for_again_from_the_beginning(server, tmp_path, waits):
    server.answers = [Answer(DATA[:-1], length=len(DATA)), Answer(DATA)]
    assert fetch(server, tmp_path) == DATA
    assert waits == [1.0]


def test_a_body_that_is_always_cut_short_is_an_error(server, tmp_path, waits):
    server.answers = [Answer(DATA[:-1], length=len(DATA))]
    assert "the download failed (IncompleteRead: " in refusal(server, tmp_path)


def test_an_empty_answer_is_not_a_file(server, tmp_path, waits):
    server.answers = [Answer(b""), Answer(DATA)]
    assert fetch(server, tmp_path) == DATA
    server.answers = [Answer(b"")]
    assert "the answer is empty" in refusal(server, tmp_path)


def test_a_connection_that_breaks_is_made_again(server, tmp_path, waits):
    def hang_up():
        raise ConnectionResetError

    server.answers = [Answer(before=hang_up), Answer(DATA, halfway=hang_up), Answer(DATA)]
    assert fetch(server, tmp_path) == DATA
    assert waits == [1.0, 2.0]


def test_an_announced_size_above_the_limit_is_refused_unread(server, tmp_path, waits):
    server.answers = [Answer(b"1", length=10**12)]
    message = refusal(server, tmp_path)
    assert "has 1000000.0 MB, expected at most 1.0 MB; raise its max_mb" in message
    assert waits == []


@pytest.mark.parametrize("answer", [Answer(DATA, endless=True), Answer(DATA * 4, length=-1)])
def test_what_goes_on_above_the_limit_is_not_read_on(server, tmp_path, waits, answer):
    server.answers = [answer]
    assert "has more, expected at most 1.0 MB" in refusal(server, tmp_path)
    assert (tmp_path / "data.csv").stat().st_size <= 10**6
    assert waits == []


def test_a_file_may_be_as_large_as_the_limit(server, tmp_path):
    assert fetch(server, tmp_path, max_bytes=len(DATA)) == DATA
    refusal(server, tmp_path, max_bytes=len(DATA) - 1)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(DATA, headers={"Content-Type": "text/html; charset=utf-8"}),
        Answer(b"<!DOCTYPE html><title>Missing Key</title>"),
        Answer(b"\xef\xbb\xbf\r\n <html>", headers={"Content-Type": "text/csv"}),
        # In two pieces, the first of them blank.
        Answer(b"\xef\xbb\xbf\r\n  <html>", halfway=lambda: threading.Event().wait(0.5)),
    ],
)
def test_a_web_page_is_no_data(server, tmp_path, waits, answer):
    server.answers = [answer]
    assert "is a web page, expected data; look at it" in refusal(server, tmp_path)
    assert waits == []


@pytest.mark.parametrize("status", [204, 206, 304, 400, 404, 410, 501])
def test_what_will_not_pass_is_refused_at_once(server, tmp_path, waits, status):
    server.answers = [Answer(status=status)]
    assert f"the server answered {status}, the agency may have moved" in refusal(server, tmp_path)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_refused_access_is_named(server, tmp_path, waits, status):
    server.answers = [Answer(status=status)]
    assert f"refused access, {status}; fetch it with a browser" in refusal(server, tmp_path)


def test_redirects_are_followed_a_few_times(server, tmp_path, waits):
    server.answers = [Answer(status=302, headers={"Location": "/elsewhere.csv"}), Answer(DATA)]
    assert fetch(server, tmp_path) == DATA
    assert server.requests == ["/data.csv", "/elsewhere.csv"]
    server.answers = [Answer(status=302, headers={"Location": "/data.csv"})]
    assert "leads on more than 5 times; correct the url" in refusal(server, tmp_path)
    assert len(server.requests) == 2 + 1 + 5
    assert waits == []


@pytest.mark.parametrize("target", ["file:///etc/hostname", "ftp://127.0.0.1/data.csv"])
def test_a_redirect_to_something_else_than_the_web_is_refused(server, tmp_path, waits, target):
    server.answers = [Answer(status=302, headers={"Location": target})]
    assert "leads to no address of http or https" in refusal(server, tmp_path)
    assert waits == []


def test_a_silent_server_is_asked_again_and_given_up(server, tmp_path, waits, monkeypatch):
    monkeypatch.setattr(module, "READ_SECONDS", 0.1)
    over = threading.Event()
    server.answers = [Answer(DATA, before=over.wait)]
    try:
        assert "ReadTimeoutError" in refusal(server, tmp_path)
        server.answers = [Answer(DATA, halfway=over.wait)]
        assert "timed out" in refusal(server, tmp_path)
    finally:
        over.set()
    assert waits == 2 * [1.0, 2.0, 4.0, 8.0]


def test_a_trickle_ends_when_the_time_is_over(server, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "TOTAL_SECONDS", 0.3)
    monkeypatch.setattr(module, "READ_SECONDS", 5.0)
    over = threading.Event()
    server.answers = [Answer(b"0", endless=True, again=lambda: over.wait(0.01))]
    assert "not all of it came in" in refusal(server, tmp_path, max_bytes=10**12)


def test_no_pause_goes_beyond_the_time_for_all_attempts(server, tmp_path, waits, monkeypatch):
    monkeypatch.setattr(module, "TOTAL_SECONDS", 2.5)
    server.answers = [Answer(status=503, headers={"Retry-After": "3"})]
    assert "(attempt 1, the last)" in refusal(server, tmp_path)
    assert waits == []


def test_a_refused_connection_is_an_error_after_five_attempts(server, tmp_path, waits):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    order = Order("data.csv", f"http://127.0.0.1:{port}/data.csv", 10**6, "or by hand")
    with pytest.raises(InputError, match=r"Connection refused.*attempt 5, the last.*or by hand"):
        download(order, tmp_path / "data.csv")
    assert len(waits) == 4


def test_an_unknown_host_is_named(server, tmp_path, waits):
    order = Order("data.csv", "http://nowhere.invalid/data.csv", 10**6, "or by hand")
    with pytest.raises(InputError, match=r"nowhere\.invalid.*NameResolutionError.*or by hand"):
        download(order, tmp_path / "data.csv")


def test_a_full_disk_is_not_taken_for_a_bad_connection(server, waits, tmp_path):
    order = Order("data.csv", server.url, 10**6, "or by hand")
    (tmp_path / "full").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as caught:
        download(order, tmp_path / "full")
    assert not isinstance(caught.value, requests.RequestException)
    assert waits == []


class TestKey:
    """A key of the user's goes into the request and nowhere else."""

    KEY = "0123456789secret9876543210"

    @pytest.fixture(autouse=True)
    def _key(self, monkeypatch):
        monkeypatch.setattr(module, "KEYS", {"127.0.0.1": ("key", "CENSUS_API_KEY")})
        monkeypatch.setenv("CENSUS_API_KEY", f" {self.KEY}\n")

    def test_it_is_added_to_what_is_asked_for(self, server, tmp_path):
        fetch(server, tmp_path, path="/data?get=NAME&for=us:*")
        assert server.requests == [f"/data?get=NAME&for=us:*&key={self.KEY}"]

    def test_other_hosts_do_not_get_it(self, server, tmp_path, monkeypatch):
        monkeypatch.setattr(module, "KEYS", {"api.census.gov": ("key", "CENSUS_API_KEY")})
        fetch(server, tmp_path)
        assert server.requests == ["/data.csv"]

    @pytest.mark.parametrize(
        "answers",
        [
            [Answer(status=503)],
            [Answer(status=404)],
            [Answer(DATA[:-1], length=len(DATA))],
            [Answer(status=302, headers={"Location": "/data?again"})],
            [Answer(status=302, headers={"Location": f"ftp://x/?key={KEY}"})],
            [Answer(status=302, headers={"Location": f"http://127.0.0.1:9/?key={KEY}"})],
            [Answer(b"<html>")],
            [Answer(DATA, endless=True)],
        ],
    )
    def test_no_message_log_or_traceback_has_it(self, server, tmp_path, waits, caplog, answers):
        caplog.set_level(logging.INFO)
        server.answers = answers
        with pytest.raises(InputError) as caught:
            fetch(server, tmp_path)
        assert self.KEY in server.requests[0]
        assert self.KEY not in "".join(traceback.format_exception(caught.value))
        assert self.KEY not in caplog.text
        assert "attempt" in caplog.text + str(caught.value) or not waits

    def test_what_may_be_wrong_with_it_is_said(self, server, tmp_path, monkeypatch):
        server.answers = [Answer(b"<html>Invalid Key")]
        assert "expected data (check CENSUS_API_KEY);" in refusal(server, tmp_path)
        monkeypatch.setenv("CENSUS_API_KEY", "")
        message = refusal(server, tmp_path)
        assert "expected data (set CENSUS_API_KEY to a key of yours);" in message
        assert server.requests[-1] == "/data.csv"
