"""`localcal rollback`, by the config and without Snakemake."""

import json
import os

import huggingface_hub.constants
import pytest
import yaml

from localcal.command import main
from tests.hub_server import OWNER, serving

MANIFEST = {"schema_version": 1, "version": "1.0.0", "run_id": "one", "files": {}}


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A repository with two releases, and a config that names it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    release = {"release": {"repo_id": "me/data", "hook": "echo $LOCALCAL_VERSION >> told"}}
    (tmp_path / "config/config.yaml").write_text(yaml.safe_dump(release))
    with serving() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("HF_TOKEN", OWNER)
        monkeypatch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", os.devnull)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
        first = server.repository.put(
            {"releases/1.0.0/manifest.json": json.dumps(MANIFEST).encode()}, "Release 1.0.0"
        )
        entries = [
            {"version": "1.1.0", "pipeline_run_id": "two"},
            {"version": "1.0.0", "pipeline_run_id": "one", "hf": {"commit": first}},
        ]
        versions = {"current": "1.1.0", "versions": entries}
        server.repository.put({"version_manifest.json": json.dumps(versions).encode()})
        yield server
        huggingface_hub.utils.close_session()


def test_an_earlier_run_is_published_and_the_hook_told(hub, tmp_path, capsys):
    assert main(["rollback", "runs/one", "--version", "1.2.0"]) == 0
    assert capsys.readouterr().out == "me/data: 1.2.0 is run one again\n"
    found = json.loads(hub.repository.files()["version_manifest.json"])
    assert (found["current"], found["versions"][0]["roll_back_version"]) == ("1.2.0", "1.0.0")
    receipt = json.loads((tmp_path / "runs/one/release/rollback_1.2.0.json").read_text())
    assert receipt["commit"] == hub.repository.tags["1.2.0"]
    assert main(["rollback", "one", "--version", "1.2.0"]) == 0
    assert (tmp_path / "told").read_text() == "1.2.0\n"


def test_a_later_config_wins(hub, tmp_path, capsys):
    (tmp_path / "mine.yaml").write_text("release: {repo_id: me/other}")
    (tmp_path / "first.yaml").write_text("release: {repo_id: me/first}")
    given = ["--configfile", "first.yaml", "mine.yaml"]
    assert main(["rollback", "one", "--version", "1.2.0", *given]) == 1
    assert "error: model me/other, main: no such repository" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("version", "text", "told"),
    [
        (
            "v2",
            "{}",
            '--version: release.version: "v2" is not allowed; allowed: a semantic version',
        ),
        ("2.0.0", "release: {repo_id: 7}", "mine.yaml: release.repo_id: 7 is not allowed"),
        ("2.0.0", "release: {repo_id: null}", "release.repo_id: null; name the Hugging Face"),
        ("2.0.0", "[]", "mine.yaml: is no config"),
        ("2.0.0", "{", "mine.yaml: cannot be read"),
        ("2.0.0", None, "mine.yaml: cannot be read"),
    ],
)
def test_a_config_that_is_wrong_is_refused(hub, tmp_path, capsys, version, text, told):
    if text is not None:
        (tmp_path / "mine.yaml").write_text(text)
    arguments = ["rollback", "one", "--version", version, "--configfile", "mine.yaml"]
    assert main(arguments) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert told in said
    assert hub.requests == []
