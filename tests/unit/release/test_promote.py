"""A staged run becomes what everybody reads, whole and once."""

import hashlib
import json

CURRENT = "version_manifest.json"


def production(hub) -> dict[str, str]:
    """Return the SHA-256 of everything that consumers read."""
    return {
        path: hashlib.sha256(content).hexdigest()
        for path, content in hub.repository.files().items()
        if not path.startswith(("staging/", "runs/", "releases/", ".git", "notes"))
    }


def versions(hub) -> dict:
    return json.loads(hub.repository.files()[CURRENT])


def test_production_is_the_staged_run(desk, hub):
    desk.stage("one", "1.0.0")
    assert CURRENT not in hub.repository.files()
    receipt = desk.promote("one", "1.0.0")
    found = production(hub)
    assert desk.contents("one", "1.0.0").items() <= found.items()
    assert found.keys() - desk.contents("one", "1.0.0") == {CURRENT, "manifest.json"}
    assert not [path for path in hub.repository.files() if path.startswith("staging/")]
    (entry,) = versions(hub)["versions"]
    assert versions(hub)["current"] == "1.0.0" == entry["version"]
    assert entry["hf"] == {"repo": "me/data", "commit": hub.repository.tags["1.0.0"]}
    assert entry["pipeline_run_id"] == "one"
    assert entry["diagnostics_path"] == "runs/one/diagnostics"
    assert entry["policyengine_us"] == "1.2.3"
    assert receipt["commit"] == entry["hf"]["commit"]
    tagged = hub.repository.files("1.0.0")
    assert tagged["states/CA.h5"] == (desk.runs / "one/areas/states/CA.h5").read_bytes()


def test_it(desk, hub):
    desk.release("one", "1.0.0")
    print(hub.names())
    hub.requests.clear()
    desk.stage("two", "1.1.0")
    print(hub.names())
    hub.requests.clear()
    desk.promote("two", "1.1.0")
    print(hub.names())
    assert versions(hub)["current"] == "1.1.0"
