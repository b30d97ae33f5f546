"""A staged run becomes what everybody reads, whole and once."""

import hashlib
import json

import pytest

from localcal.errors import InputError
from tests.hub_server import Fault

CURRENT = "version_manifest.json"


def production(server) -> dict[str, str]:
    """Return the SHA-256 of everything that consumers read."""
    return {
        path: hashlib.sha256(content).hexdigest()
        for path, content in server.repository.files().items()
        if not path.startswith(("staging/", "runs/", "releases/", ".git", "notes"))
    }


def versions(server) -> dict:
    return json.loads(server.repository.files()[CURRENT])


def test_production_is_the_staged_run(desk, server):
    desk.stage("one", "1.0.0")
    assert CURRENT not in server.repository.files()
    receipt = desk.promote("one", "1.0.0")
    found = production(server)
    assert desk.contents("one", "1.0.0").items() <= found.items()
    assert found.keys() - desk.contents("one", "1.0.0") == {CURRENT, "manifest.json"}
    assert not [path for path in server.repository.files() if path.startswith("staging/")]
    (entry,) = versions(server)["versions"]
    assert versions(server)["current"] == "1.0.0" == entry["version"]
    assert entry["hf"] == {"repo": "me/data", "commit": server.repository.tags["1.0.0"]}
    assert entry["pipeline_run_id"] == "one"
    assert entry["diagnostics_path"] == "runs/one/diagnostics"
    assert entry["policyengine_us"] == "1.2.3"
    assert receipt["commit"] == entry["hf"]["commit"]
    tagged = server.repository.files("1.0.0")
    assert tagged["states/CA.h5"] == (desk.runs / "one/areas/states/CA.h5").read_bytes()


def test_it(desk, server):
    desk.release("one", "1.0.0")
    print(server.names())
    server.requests.clear()
    desk.stage("two", "1.1.0")
    print(server.names())
    server.requests.clear()
    desk.promote("two", "1.1.0")
    print(server.names())
    assert versions(server)["current"] == "1.1.0"
