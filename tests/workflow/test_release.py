"""A finished run gets out by two commands, and again, from a copy of the checkout."""

import json
import os
import subprocess
import sys

import yaml

from tests.hub_server import OWNER, serving


def test_a_run_is_staged_and_promoted_once(finished, tmp_path):
    checkout = finished.copy(tmp_path / "checkout")
    runs = checkout.folder / "runs"
    hook = 'echo "$LOCALCAL_VERSION $LOCALCAL_RUN_ID $LOCALCAL_COMMIT" >> told; test -e allowed'
    # Sixty made-up households are fit for nothing.
    accepted = ["validation", "structure", "errors", "effective", "provenance"]
    release = {"version": "1.0.0", "repo_id": "me/data", "hook": hook}
    config = yaml.safe_load((checkout.folder / "small.yaml").read_text()) | {"release": release}
    (checkout.folder / "small.yaml").write_text(yaml.safe_dump(config))

    with serving() as hub:
        variables = {
            "HF_ENDPOINT": hub.url,
            "HF_TOKEN": OWNER,
            "HF_HUB_DISABLE_XET": "1",
            "NO_PROXY": "127.0.0.1",
            "HF_HOME": str(tmp_path / "home"),
        }

        def localcal(*arguments: str) -> tuple[int, str]:
            done = subprocess.run(
                [sys.executable, "-m", "localcal.command", *arguments],
                cwd=checkout.folder,
                env=checkout.environment | variables,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=300,
                check=False,
            )
            assert OWNER not in done.stdout
            return done.returncode, done.stdout

        area = runs / "small/areas/states/CA.h5"
        override = f"release={{override: [{', '.join(accepted)}]}}"
        given = ("--configfile", "small.yaml", "--config", override)
        status, said = localcal("stage", "runs/small", *given)
        assert status == 0, said
        files = hub.repository.files()
        assert files["staging/small/states/CA.h5"] == area.read_bytes()
        table = files["runs/small/diagnostics/validation.csv"].decode().splitlines()
        assert len({line.split(",")[1] for line in table[1:]}) == 6

        # Published, though the hook does not like it.
        status, said = localcal("promote", "small", *given)
        assert status == 1
        assert "error: release.hook: ended with 1 after version 1.0.0 was published" in said
        assert hub.repository.files()["states/CA.h5"] == area.read_bytes()
        commit = json.loads((runs / "small/release/promoted.json").read_text())["commit"]
        assert hub.repository.tags == {"1.0.0": commit}

        (checkout.folder / "allowed").touch()
        history = len(hub.repository.commits)
        status, said = localcal("promote", "small", *given)
        assert status == 0, said
        assert f"me/data: 1.0.0 is run small (commit {commit})" in said
        assert len(hub.repository.commits) == history
        told = (checkout.folder / "told").read_text()
        assert told == 2 * f"1.0.0 small {commit}\n"

        # Another version is not there because the one before is: neither at once, nor after a
        # promote of it that failed.
        release["version"] = "1.1.0"
        (checkout.folder / "small.yaml").write_text(yaml.safe_dump(config))
        status, said = localcal("promote", "small", *given)
        assert status == 1
        assert "was staged as version 1.0.0, not run small as 1.1.0" in said
        status, said = localcal("promote", "small", *given)
        assert (status, hub.repository.tags) == (1, {"1.0.0": commit})
        assert len(hub.repository.commits) == history

        # Only where the Hub wants it.
        for request in hub.requests:
            assert OWNER.encode() not in request.path.encode() + request.body
            others = {
                name: text for name, text in request.headers.items() if name != "authorization"
            }
            assert OWNER not in str(others)
    for folder, _, names in os.walk(checkout.folder):
        for name in names:
            with open(os.path.join(folder, name), "rb") as file:  # noqa: PTH118, PTH123
                assert OWNER.encode() not in file.read() or name.startswith("hub_server.")
