import os
import re
import sys

import pytest

from localcal.errors import InputError
from localcal.release import bucket as buckets
from localcal.release.storage import About, upload
from tests.storage_server import Fault

OURS = About("1.2.0", "1.2.0_0123abcd_20260425_101500")
SECRET = "ya29.a0AfB_secretsecretsecret"


def refusal(call, *args):
    with pytest.raises(InputError) as error:
        call(*args)
    assert "\n" not in str(error.value)
    return str(error.value)


REFUSALS = [
    (401, "authError", "gcloud auth"),
    (403, "forbidden", "Storage Object User"),
    (403, "rateLimitExceeded", "quota"),
    (404, "notFound", "release.gcs.bucket"),
    (429, "rateLimitExceeded", "quota"),
    (503, "backendError", "later"),
]


@pytest.mark.parametrize(("status", "reason", "advice"), REFUSALS)
@pytest.mark.parametrize("which", ["files", "large"])
@pytest.mark.parametrize("number", [0, 1, 2])
def test_refusals_are_one_line_without_secrets(
    server, request, status, reason, advice, which, number
):
    if (status, number) == (404, 0):
        pytest.skip("an object that is not there is what was expected")
    message = f"see https://user:pass@host/?upload_id=abcdef {SECRET} or Bearer {SECRET} now"
    fault = Fault("before", status, reason, message)
    server.faults = dict.fromkeys(range(number, 500), fault)
    given = request.getfixturevalue(which)
    told = refusal(upload, given, "releases", "us/", {}, OURS)
    assert re.match("gs://releases/us/(states/CA|national/US|large).h5: ", told)
    assert advice in told and not re.search("ya29|abcdef|pass|secret|https", told)


def test_what_has_no_condition_is_not_repeated():
    policy = buckets.retry_policy()
    assert policy.get_retry_policy_if_conditions_met(query_params={}) is None
    assert policy.get_retry_policy_if_conditions_met(query_params={"ifGenerationMatch": 0})


def test_a_service_that_does_not_answer_is_named(server, files, monkeypatch):
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")
    told = refusal(upload, files, "releases", "", {}, OURS)
    assert told.startswith("gs://releases/states/CA.h5: the connection failed")


def test_without_credentials_it_says_how_to_get_some(files, monkeypatch, tmp_path):
    for name in list(os.environ):
        if name.startswith(("STORAGE_", "GOOGLE_", "CLOUDSDK_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "absent.json"))
    assert "gcloud auth" in refusal(upload, files, "releases", "", {}, OURS)


def test_without_the_client_it_says_what_to_install(files, monkeypatch):
    monkeypatch.setitem(sys.modules, "google.cloud.storage", None)
    assert "pip install 'localcal[gcs]'" in refusal(upload, files, "releases", "", {}, OURS)
