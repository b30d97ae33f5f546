"""The one error a user is meant to read."""

import pickle

import pytest

from localcal import errors
from localcal.errors import InputError, keep_secret, near, one_line, one_of, without_secrets


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
        ("token hf_oauth_eyJhbGciOiJFZERTQSJ9secret.eyJ-x_y.z said", "token *** said"),
        ("{'authorization': 'Bearer secretsecret=='}", "{'authorization': 'Bearer ***'}"),
        ("the bearer of news", "the bearer of news"),
        ("runs/x: at 12:30 of a@b, https://host/x", "runs/x: at 12:30 of a@b, https://host/x"),
        ("org/hf_data, file a.h5, revision v1", "org/hf_data, file a.h5, revision v1"),
    ],
)
def test_an_error_shows_no_credentials(text, shown):
    assert str(InputError(text)) == shown == without_secrets(text)
    # Also after a journey from another process.
    assert str(pickle.loads(pickle.dumps(InputError(text)))) == shown


def test_a_known_secret_is_not_shown_whatever_it_looks_like(monkeypatch):
    monkeypatch.setattr(errors, "_KNOWN", set())
    keep_secret(None)
    keep_secret("short")
    keep_secret("my own token")
    assert str(InputError("short: said my own token, 'my own token'")) == "short: said ***, '***'"


def test_few_names_are_listed_and_of_many_the_nearest_is_told():
    few = ["RENTED", "OWNED", "NONE"]
    assert one_of("RENTD", few) == "one of RENTED, OWNED, NONE (did you mean RENTED?)"
    assert one_of("rented", few).endswith("(did you mean RENTED?)")
    assert one_of("x", few) == "one of RENTED, OWNED, NONE"
    many = [f"name_{number}" for number in range(40)]
    assert one_of("name17", many) == "one of 40 names (did you mean name_17?)"
    assert one_of("x", many) == "one of 40 names, such as name_0"
    assert near("name17", many) == " (did you mean name_17?)" and near("x", many) == ""
