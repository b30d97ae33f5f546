"""The one error a user is meant to read."""

import pickle

import pytest

from localcal.errors import InputError, one_line, without_secrets


def test_what_an_error_says_fits_one_line():
    assert one_line(ValueError("a file\n  ended\tearly\n")) == "a file ended early"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://user:secret@host/x: no", "https://***@host/x: no"),
        ("https://user:se/cr@et@host:80/x", "https://***@host:80/x"),
        ("proxy socks5://secret@host", "proxy socks5://***@host"),
        ("HTTPS_PROXY=user:secret@host:80", "HTTPS_PROXY=***@host:80"),
        ("('https://u:secret@a', 'https://b')", "('https://***@a', 'https://b')"),
        ("token hf_secretsecretsecretsecret1234", "token ***"),
        ("runs/x: at 12:30 of a@b, https://host/x", "runs/x: at 12:30 of a@b, https://host/x"),
        ("org/hf_data, file a.h5, revision v1", "org/hf_data, file a.h5, revision v1"),
    ],
)
def test_an_error_shows_no_credentials(text, shown):
    assert str(InputError(text)) == shown == without_secrets(text)
    # Also after a journey from another process.
    assert str(pickle.loads(pickle.dumps(InputError(text)))) == shown
