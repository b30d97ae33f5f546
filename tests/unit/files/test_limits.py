"""What the shell or the machine refuses is said in one line with what to do."""

import errno
import resource
import subprocess
import sys

import h5py
import pytest

from localcal.errors import InputError
from localcal.files import limits
from localcal.files.atomic import atomic_path, require_space
from localcal.files.hdf5 import create_h5, open_h5
from localcal.files.limits import limit_of


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "x"), "no space left on the disk; free some"),
        (RuntimeError("closing failed (errno = 28, ...)"), "no space left on the disk"),
        (OSError("Can't write (errno = 27, error message = 'File too large')"), "ulimit -f"),
        (OSError(errno.EMFILE, "x"), "ulimit -n"),
        (PermissionError(errno.EACCES, "x"), "change the rights"),
        (OSError(errno.EROFS, "x"), "cannot be written to"),
        (OSError(errno.ENAMETOOLONG, "x"), "shorter"),
        (OSError(errno.E2BIG, "x"), "shorten it"),
    ],
)
def test_what_is_refused_is_told_with_what_to_do(error, words):
    assert words in str(limit_of(error))
    assert str(limit_of(error)).endswith("and run the same command again")


def test_other_errors_are_none_of_the_machines():
    for error in (OSError("short read"), OSError(errno.ENOENT, "x"), ValueError("x"), KeyError(1)):
        assert limit_of(error) is None


def test_a_name_that_is_too_long_and_a_file_for_a_folder_are_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    for path, words in ((tmp_path / ("x" * 300), "shorter"), (tmp_path / "file/x", "is a file")):
        for write in (atomic_path, create_h5):
            with pytest.raises(InputError, match=words) as error, write(path):
                raise AssertionError("begun")
            assert "\n" not in str(error.value)
            assert str(path) in str(error.value)


def test_a_file_that_may_not_be_read_is_not_called_damaged(tmp_path, monkeypatch):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file["x"] = [1]

    def refuse(*_):
        raise OSError(errno.EMFILE, f"unable to open file {path}")

    monkeypatch.setattr(h5py, "File", refuse)
    with pytest.raises(InputError, match="ulimit -n") as error, open_h5(path):
        raise AssertionError("opened")
    assert "remove" not in str(error.value)


def test_what_the_shell_lets_no_file_be_is_not_begun(tmp_path, monkeypatch):
    monkeypatch.setattr(limits.resource, "getrlimit", lambda which: (5 << 20, 5 << 20))
    require_space(tmp_path / "x", 1 << 19)
    with pytest.raises(InputError, match=r"x: it needs .* MB, but this shell .* ulimit -f"):
        require_space(tmp_path / "x", 2 << 20)
    monkeypatch.setattr(limits.resource, "getrlimit", lambda which: (resource.RLIM_INFINITY, 0))
    require_space(tmp_path / "x", 6 << 20)


LIMITED = """
import resource
from localcal.files.atomic import atomic_path
resource.setrlimit(resource.{limit}, ({number}, {number}))
try:
    {work}
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.parametrize(
    ("limit", "number", "work", "words"),
    [
        (
            "RLIMIT_FSIZE",
            1000,
            "with atomic_path('{path}') as part: part.write_bytes(bytes(5000))",
            "raise it with ulimit -f",
        ),
        (
            "RLIMIT_NOFILE",
            3,
            "with atomic_path('{path}') as part: part.write_bytes(b'')",
            "raise it with ulimit -n",
        ),
    ],
)
def test_real_limits_of_a_shell_are_told_so(tmp_path, limit, number, work, words):
    path = tmp_path / "x"
    script = LIMITED.format(limit=limit, number=number, work=work.format(path=path))
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert result.stdout.startswith(f"InputError {path}: "), result.stderr
    assert words in result.stdout
    assert list(tmp_path.iterdir()) == []
