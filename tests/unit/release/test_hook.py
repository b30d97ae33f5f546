"""The user's own command runs after a release, once, and its failure is only told."""

import json

import pytest

from localcal.errors import InputError
from localcal.release.hook import run_hook

RECEIPT = {
    "version": "1.0.0",
    "run_id": "one",
    "repo_id": "me/data",
    "repo_type": "model",
    "commit": "a" * 40,
}


def test_it_is_told_what_was_published(tmp_path):
    words = "$LOCALCAL_VERSION $LOCALCAL_RUN_ID $LOCALCAL_REPO_TYPE $LOCALCAL_REPO_ID"
    done = run_hook(f"echo {words} $LOCALCAL_COMMIT", tmp_path, RECEIPT)
    assert done["said"] == f"1.0.0 one model me/data {'a' * 40}\n"
    assert done["status"] == 0


def test_it_runs_once_for_a_version(tmp_path):
    command = f"echo >> {tmp_path}/calls"
    first = run_hook(command, tmp_path, RECEIPT)
    assert run_hook(command, tmp_path, RECEIPT) == first
    assert run_hook("exit 1", tmp_path, RECEIPT) == first
    run_hook(command, tmp_path, RECEIPT | {"version": "1.1.0"})
    assert (tmp_path / "calls").read_text() == "\n\n"


def test_a_version_that_was_tried_elsewhere_first_is_another_release(tmp_path):
    run_hook("exit 0", tmp_path, RECEIPT | {"repo_id": "me/trial", "commit": "b" * 40})
    done = run_hook("echo $LOCALCAL_REPO_ID", tmp_path, RECEIPT)
    assert (done["said"], done["commit"]) == ("me/data\n", "a" * 40)


def test_a_failure_is_told_and_tried_again(tmp_path):
    command = f"echo no luck; echo >> {tmp_path}/calls; test -e {tmp_path}/allowed"
    for calls in (1, 2):
        with pytest.raises(InputError, match=r"^release\.hook: ended with 1 after version 1\.0\.0"):
            run_hook(command, tmp_path, RECEIPT)
        assert (tmp_path / "calls").read_text() == calls * "\n"
    kept = json.loads((tmp_path / "release/hooks/1.0.0.json").read_text())
    assert (kept["status"], kept["said"]) == (1, "no luck\n")
    (tmp_path / "allowed").touch()
    assert run_hook(command, tmp_path, RECEIPT)["status"] == 0


def test_what_it_says_is_kept_without_tokens_and_not_endlessly(tmp_path):
    token = "hf_" + "abcdefghijklmnopqrstuvwxyz"
    done = run_hook(f"yes | head -c 9000; echo {token}", tmp_path, RECEIPT)
    assert len(done["said"]) == 4000
    assert done["said"].endswith("***\n")
    assert token not in (tmp_path / "release/hooks/1.0.0.json").read_text()


def test_the_token_is_not_kept_whatever_it_looks_like(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "of my own making")
    assert run_hook('echo "$HF_TOKEN"', tmp_path, RECEIPT)["said"] == "***\n"


def test_without_one_nothing_runs(tmp_path):
    assert run_hook(None, tmp_path, RECEIPT)["status"] is None
    assert not list(tmp_path.iterdir())
