"""The user's own command after a release, whose failure changes nothing about it."""

import logging
import os
import subprocess
from pathlib import Path
from typing import Any

from localcal.errors import InputError, keep_secret, without_secrets
from localcal.files.atomic import write_json
from localcal.files.documents import read_json

logger = logging.getLogger(__name__)

FOLDER = "release/hooks"
# Characters of what it said that are kept.
MOST_KEPT = 4000


def run_hook(command: str | None, run: Path, receipt: dict[str, Any]) -> dict[str, Any]:
    """Run a command for a release, unless it has succeeded for it; return what became of it.

    Args:
        command: for the shell, with LOCALCAL_VERSION, LOCALCAL_RUN_ID, LOCALCAL_REPO_ID,
            LOCALCAL_REPO_TYPE and LOCALCAL_COMMIT in its environment; None for nothing.
        run: the run's folder, which keeps what became of it.
        receipt: of the release.

    Raises:
        InputError: it failed; the release is what it is.
    """
    if command is None:
        return {"version": receipt["version"], "status": None, "said": ""}
    path = run / FOLDER / f"{receipt['version']}.json"
    if path.exists():
        before = read_json(path, ("status",))
        # The same version may have been tried in another repository first.
        if (before["status"], before.get("commit")) == (0, receipt["commit"]):
            logger.info("the hook has run for version %s already", receipt["version"])
            return before
    told = {
        "LOCALCAL_VERSION": receipt["version"],
        "LOCALCAL_RUN_ID": receipt["run_id"],
        "LOCALCAL_REPO_ID": receipt["repo_id"],
        "LOCALCAL_REPO_TYPE": receipt["repo_type"],
        "LOCALCAL_COMMIT": receipt["commit"],
    }
    # It has the environment, and may show it.
    keep_secret(os.environ.get("HF_TOKEN"))
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        env=os.environ | told,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    said = without_secrets(done.stdout.decode(errors="replace"))[-MOST_KEPT:]
    for line in said.splitlines():
        logger.info("hook: %s", line)
    content = {
        "version": receipt["version"],
        "repo_id": receipt["repo_id"],
        "commit": receipt["commit"],
        "status": done.returncode,
        "said": said,
    }
    write_json(path, content)
    if done.returncode != 0:
        raise InputError(
            f"release.hook: ended with {done.returncode} after version {receipt['version']} was "
            f"published, which stays so (see {path}); mend it and run the same command again"
        )
    return content
