import pytest

from localcal.release import bucket as buckets
from tests.storage_server import Bucket, serving


@pytest.fixture
def server(monkeypatch):
    """A server with an empty bucket named `releases`, for a client that waits for nobody."""
    monkeypatch.setattr(buckets, "FIRST_WAIT", 0.001)
    monkeypatch.setattr(buckets, "LONGEST_WAIT", 0.01)
    monkeypatch.setattr(buckets, "GIVE_UP", 0.05)
    with serving() as server:
        server.storage.buckets["releases"] = Bucket()
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        yield server
