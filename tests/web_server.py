"""A web server on this machine that answers as it is told, and remembers what it was asked for."""

import contextlib
import http.server
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Answer:
    """One answer; `body` without a length is sent until the client hangs up if it is endless."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    # What it says its length is; None for the truth, -1 for nothing.
    length: int | None = None
    endless: bool = False
    # Called before anything is sent, after the first half of the body, and before each repetition.
    before: object = None
    halfway: object = None
    again: object = None


class WebServer(http.server.ThreadingHTTPServer):
    """Answers with the next of `answers`, and with the last one from then on."""

    daemon_threads = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[Answer] = []
        self.requests: list[str] = []
        self.agents: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def next_answer(self) -> Answer:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def handle_error(self, request, client_address) -> None:
        """Say nothing where a client hangs up."""


class _Handler(http.server.BaseHTTPRequestHandler):
    # HTTP/1.0, the default, closes every connection, so that none outlives its test.
    server: WebServer

    def log_message(self, *args) -> None:
        pass

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        self.server.agents.append(self.headers["User-Agent"])
        answer = self.server.next_answer()
        if callable(answer.before):
            answer.before()
        self.send_response(answer.status)
        for name, text in answer.headers.items():
            self.send_header(name, text)
        length = len(answer.body) if answer.length is None else answer.length
        if length >= 0 and not answer.endless:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        half = len(answer.body) // 2
        self.wfile.write(answer.body[:half])
        if callable(answer.halfway):
            answer.halfway()
        self.wfile.write(answer.body[half:])
        while answer.endless:
            if callable(answer.again):
                answer.again()
            self.wfile.write(answer.body)


@contextlib.contextmanager
def running[S: http.server.ThreadingHTTPServer](made: S) -> Iterator[S]:
    """Have a server answer for as long as the context lasts."""
    with made as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def serving() -> contextlib.AbstractContextManager[WebServer]:
    """Start a server for as long as the context lasts."""
    return running(WebServer())
