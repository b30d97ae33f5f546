"""A run says which code it is built with, whatever becomes of the checkout."""

import json
import os
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from localcal.errors import InputError
from localcal.run import identity
from localcal.run import start as starts
from localcal.run.identity import (
    Checkout,
    Provenance,
    changes,
    new_run_id,
    provenance,
    read_checkout,
    recorded,
    refuse_other_code,
    version_of,
)
from localcal.run.lock import release_locks
from localcal.run.start import start_run

RUN = Path("runs/x")


def git(*arguments: str) -> str:
    """Run git in the working folder, with nobody's settings, and return what it prints."""
    who = ("-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "init.defaultBranch=main")
    command = ["git", *who, *arguments]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout.strip()


def write(name: str, content: str) -> None:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(content)


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout of one commit, which is the working folder."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    for name in ("Snakefile", "workflow/localcal/fit.py", "config/config.yaml"):
        write(name, name)
    write(".gitignore", "runs/\n/artifacts\n")
    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "-m", "first")
    yield folder
    release_locks()


def freeze(**known: object) -> None:
    """Write a run's record with what is known of its checkout."""
    write(f"{RUN}/run.json", json.dumps({"config": {}, "inputs": {}, "code": {}} | known))


def start(monkeypatch, found: Checkout) -> list[Path]:
    """Start and end a coordinator for which git says `found`."""
    monkeypatch.setattr(starts, "read_checkout", lambda: found)
    written = start_run(RUN, {}, None, amend=False)
    release_locks()
    return written


def test_a_checkout_is_its_commit_branch_and_clean(checkout):
    assert read_checkout(checkout) == Checkout(git("rev-parse", "HEAD"), True, "main")


def test_what_a_run_writes_and_files_of_the_user_s_leave_a_tree_clean(checkout):
    for name in (
        "runs/x/run.json",
        "runs/x/logs/a.log",
        "mine.yaml",
        "given/population.h5",
        "config/mine.yaml",
    ):
        write(name, "")
    Path("artifacts").symlink_to("runs/x")
    os.utime("Snakefile", (2_000_000_000, 2_000_000_000))
    assert read_checkout(checkout).clean is True


@pytest.mark.parametrize(
    "name", ["Snakefile", "config/config.yaml", "workflow/localcal/new.py", "workflow/new/a b.py"]
)
def test_an_edit_and_new_code_are_not_the_commit_s(checkout, name):
    before = read_checkout(checkout)
    write(name, "edited")
    assert read_checkout(checkout) == before._replace(clean=False)
    git("add", ".")
    assert read_checkout(checkout) == before._replace(clean=False)
    git("commit", "--quiet", "-m", "second")
    after = read_checkout(checkout)
    assert (after.commit, after.clean) == (git("rev-parse", "HEAD"), True)
    assert after.commit != before.commit


def test_a_removed_and_a_renamed_file_are_not_the_commit_s(checkout):
    git("mv", "Snakefile", "1 other")
    assert read_checkout(checkout).clean is False
    git("reset", "--quiet", "--hard")
    Path("config/config.yaml").unlink()
    assert read_checkout(checkout).clean is False


def test_a_commit_checked_out_by_itself_has_no_branch(checkout):
    git("checkout", "--quiet", "--detach")
    assert read_checkout(checkout) == Checkout(git("rev-parse", "HEAD"), True, None)


def test_a_shallow_clone_and_a_second_worktree_are_checkouts(checkout, tmp_path):
    write("Snakefile", "more")
    git("commit", "--quiet", "-a", "-m", "second")
    expected = Checkout(git("rev-parse", "HEAD"), True, "main")
    git("clone", "--quiet", "--depth", "1", checkout.as_uri(), str(tmp_path / "shallow"))
    assert read_checkout(tmp_path / "shallow") == expected
    git("worktree", "add", "--quiet", "-b", "other", str(tmp_path / "tree"))
    assert read_checkout(tmp_path / "tree") == expected._replace(branch="other")


def test_without_a_checkout_or_a_commit_nothing_is_known(checkout, tmp_path, caplog):
    assert read_checkout(tmp_path) == Checkout(None, None, None)
    # A folder inside of somebody's repository need not be part of it.
    assert read_checkout(checkout / "config") == Checkout()
    (tmp_path / "empty").mkdir()
    os.chdir(tmp_path / "empty")
    git("init", "--quiet")
    assert read_checkout(tmp_path / "empty") == Checkout()
    assert caplog.messages == []


@pytest.mark.parametrize("kind", ["missing", "refuses"])
def test_a_git_that_does_not_answer_is_told(checkout, kind, monkeypatch, caplog):
    if kind == "missing":
        monkeypatch.setenv("PATH", "")
    else:
        Path(".git/HEAD").write_text("nonsense")
    assert read_checkout(checkout) == Checkout()
    (message,) = caplog.messages
    assert message.startswith("git does not say which commit this is (")
    assert "()" not in message
    assert "\n" not in message


def test_a_git_folder_in_the_environment_misleads_nobody(checkout, tmp_path, monkeypatch):
    expected = read_checkout(checkout)
    (tmp_path / "other").mkdir()
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other"))
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path / "other"))
    assert read_checkout(checkout) == expected


def test_asking_disturbs_no_other_git(checkout):
    """`git status` would rewrite the index, for which another git may wait in vain."""
    os.utime("Snakefile", (2_000_000_000, 2_000_000_000))
    before = Path(".git/index").read_bytes()
    assert read_checkout(checkout).clean is True
    assert Path(".git/index").read_bytes() == before


def test_a_run_is_named_after_version_commit_and_time():
    berlin = timezone(timedelta(hours=1))
    when = datetime(2026, 3, 18, 0, 30, 22, tzinfo=berlin)
    commit = "a1b2c3d4" + 32 * "0"
    assert new_run_id("1.57.0", commit, when) == "1.57.0_a1b2c3d4_20260317_233022"
    assert new_run_id("1.57.0+own", None, when) == "1.57.0-own_nocommit_20260317_233022"


def test_the_version_is_the_checkout_s(tmp_path):
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "9.8.7"\n')
    assert version_of(tmp_path) == "9.8.7"
    assert version_of(tmp_path / "nowhere") == version_of()


FIRST = Checkout("a" * 40, True, "main")


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (FIRST, []),
        (FIRST._replace(commit="b" * 40), [("commit", "a" * 40, "b" * 40)]),
        (FIRST._replace(clean=False), [("clean", True, False)]),
        (FIRST._replace(branch=None), [("branch", "main", None)]),
        (Checkout(), [("commit", "a" * 40, None), ("clean", True, None), ("branch", "main", None)]),
    ],
)
def test_what_changed_since_the_last_start_is_recorded_once(checkout, monkeypatch, found, expected):
    freeze(**FIRST._asdict())
    before = (RUN / "run.json").read_bytes()
    assert start(monkeypatch, FIRST) == []
    assert start(monkeypatch, found) == ([RUN / "history.jsonl"] if expected else [])
    assert start(monkeypatch, found) == []
    assert recorded(RUN) == found
    assert (RUN / "run.json").read_bytes() == before
    lines = (RUN / "history.jsonl").read_text().splitlines() if expected else []
    said = [change for line in lines for change in json.loads(line)["changes"]]
    assert said == [{"what": what, "old": old, "new": new} for what, old, new in expected]


def test_all_commits_of_a_run_are_told_in_order(checkout, monkeypatch):
    freeze(**FIRST._asdict())
    assert provenance(RUN) == Provenance(["a" * 40], True)
    start(monkeypatch, FIRST._replace(commit="b" * 40))
    assert provenance(RUN) == Provenance(["a" * 40, "b" * 40], True)
    start(monkeypatch, FIRST._replace(clean=False))
    start(monkeypatch, FIRST)
    # Clean again, but some of it was made by code of no commit.
    assert provenance(RUN) == Provenance(["a" * 40, "b" * 40], False)
    assert recorded(RUN) == FIRST


def test_a_run_from_before_there_were_commits_goes_on_and_is_of_none(checkout, monkeypatch):
    freeze()
    assert provenance(RUN) == Provenance([None], False)
    start(monkeypatch, FIRST)
    assert provenance(RUN) == Provenance([None, "a" * 40], False)
    assert changes(RUN, FIRST) == []


def test_a_run_that_is_not_frozen_asks_git_later(checkout, monkeypatch):
    def asked():
        raise AssertionError("git was asked")

    monkeypatch.setattr(starts, "read_checkout", asked)
    assert start_run(RUN, {}, None, amend=False) == []
    assert changes(RUN, FIRST) == []


def test_another_commit_is_recorded_with_what_else_changed_and_never_instead(checkout, monkeypatch):
    freeze(**FIRST._asdict())
    monkeypatch.setattr(starts, "read_checkout", lambda: FIRST._replace(commit="b" * 40))
    with pytest.raises(InputError, match=r"config.seed: null -> 5.*amend=true"):
        start_run(RUN, {"config.seed": 5}, None, amend=False)
    assert not (RUN / "history.jsonl").exists()
    release_locks()
    start_run(RUN, {"config.seed": 5, "code.fit": "f"}, None, amend=True)
    (line,) = (RUN / "history.jsonl").read_text().splitlines()
    said = [change["what"] for change in json.loads(line)["changes"]]
    assert said == ["commit", "code.fit", "config.seed"]


def test_a_stored_run_does_not_lose_its_files_to_another_commit(checkout, monkeypatch):
    """Where only times tell what is stale, a change that none of the rules shares is none."""
    freeze(**FIRST._asdict())
    monkeypatch.setattr(starts, "read_checkout", lambda: FIRST._replace(commit="b" * 40))
    start_run(RUN, {}, {"fit": "1"}, amend=False)
    (line,) = (RUN / "since.jsonl").read_text().splitlines()
    assert json.loads(line)["rules"] == {"fit": "1"}


@pytest.mark.parametrize(
    ("branch", "commit"), [(None, None), ("main", None), (None, "a" * 7), ("main", "a" * 40)]
)
def test_a_checkout_that_is_what_was_asked_for_is_taken(branch, commit):
    refuse_other_code(FIRST, branch, commit)


def test_without_an_option_any_code_will_do():
    refuse_other_code(Checkout(), None, None)
    refuse_other_code(FIRST._replace(clean=False), "main", None)


@pytest.mark.parametrize(
    ("found", "branch", "commit", "said"),
    [
        (FIRST, "dev", None, r"^/co: is on branch main, not on dev; nothing .* `git switch`"),
        (FIRST, "a/b", None, r"`git worktree add \.\./localcal-a-b a/b`"),
        (FIRST._replace(branch=None), "main", None, "is on no branch, not on main"),
        (FIRST, None, "b" * 8, "is at commit aaaaaaaaaaaa, not bbbbbbbb; nothing is checked out"),
        (FIRST, "main", "b" * 8, "is at commit aaaaaaaaaaaa, not bbbbbbbb"),
        (FIRST, None, "v1.0", "'v1.0' is no commit; allowed: 7 to 40 hexadecimal"),
        (FIRST, None, "aaa", "'aaa' is no commit"),
        (FIRST._replace(clean=False), None, "a" * 8, "changes that commit aaaaaaaa has not"),
        (Checkout(), "main", None, "git says of no branch or commit here"),
        (Checkout(), None, "a" * 8, "git says of no branch or commit here"),
    ],
)
def test_another_branch_or_commit_is_refused_and_nothing_checked_out(found, branch, commit, said):
    with pytest.raises(InputError, match=said) as error:
        refuse_other_code(found, branch, commit, "/co")
    assert "\n" not in str(error.value)


def test_the_checkout_is_that_of_this_package():
    assert (identity.CHECKOUT / "Snakefile").is_file()
    assert read_checkout().commit is None or len(read_checkout().commit) == 40
