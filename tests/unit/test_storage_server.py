"""The server of the tests against the unmodified client, for what releases do not ask of it."""

import pytest
from google.api_core.exceptions import NotFound, PreconditionFailed

from localcal.release.bucket import opened
from tests.storage_server import Bucket, serving


@pytest.fixture
def server(monkeypatch):
    with serving() as server:
        server.storage.buckets["b"] = Bucket()
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        yield server


@pytest.fixture
def bucket(server):
    with opened("b") as bucket:
        yield bucket


def test_objects_and_their_generations_are_listed_page_by_page(server, bucket):
    made = [server.storage.put("b", name, name.encode()) for name in ("a/1", "a/2", "b/1")]
    made.append(server.storage.put("b", "a/1", b"new"))
    server.storage.page = 2
    live = {blob.name: blob.generation for blob in bucket.list_blobs(prefix="a/")}
    assert live == {"a/1": made[3], "a/2": made[1]}
    every = [(blob.name, blob.generation) for blob in bucket.list_blobs(versions=True)]
    assert every == [("a/1", made[0]), ("a/1", made[3]), ("a/2", made[1]), ("b/1", made[2])]


def test_a_deleted_object_keeps_its_generations_where_the_bucket_does(server, bucket):
    first = server.storage.put("b", "a", b"first")
    with pytest.raises(PreconditionFailed):
        bucket.blob("a").delete(if_generation_match=first + 1)
    bucket.blob("a").delete(if_generation_match=first)
    assert bucket.get_blob("a") is None
    assert bucket.blob("a", generation=first).download_as_bytes() == b"first"
    bucket.blob("a", generation=first).delete()
    with pytest.raises(NotFound):
        bucket.blob("a", generation=first).delete()


def test_without_versioning_an_object_has_one_generation(server, bucket):
    server.storage.buckets["b"].versioning = False
    first = server.storage.put("b", "a", b"first")
    server.storage.put("b", "a", b"second")
    assert bucket.get_blob("a", generation=first) is None
    bucket.reload()
    assert not bucket.versioning_enabled


def test_what_is_said_of_an_object_changes_under_a_condition(server, bucket):
    server.storage.put("b", "a", b"first")
    blob = bucket.get_blob("a")
    blob.metadata = {"version": "1"}
    blob.patch(if_metageneration_match=1)
    assert blob.metageneration == 2
    again = bucket.get_blob("a")
    assert (again.metadata, again.generation) == ({"version": "1"}, blob.generation)
    with pytest.raises(PreconditionFailed):
        blob.patch(if_metageneration_match=1)


def test_a_copy_has_conditions_on_both_sides(server, bucket):
    first = server.storage.put("b", "a", b"content")
    bucket.copy_blob(bucket.blob("a"), bucket, "c", if_generation_match=0)
    for condition in ({"if_generation_match": 0}, {"if_source_generation_match": first + 9}):
        with pytest.raises(PreconditionFailed):
            bucket.copy_blob(bucket.blob("a"), bucket, "c", **condition)
    assert bucket.blob("c").download_as_bytes(start=3, end=5) == b"ten"


def test_checksums_are_those_of_the_service(server, bucket):
    server.storage.put("b", "a", b"123456789")
    blob = bucket.get_blob("a")
    # The check value of CRC-32C, 0xE3069283, as the service writes it, and RFC 1321's algorithm.
    assert (blob.crc32c, blob.md5_hash, blob.size) == ("4waSgw==", "JfnnlDI7RTiF9RgfG2JNCw==", 9)


def test_other_sums_than_the_content_has_are_refused(server, bucket):
    answer = server.storage.answer
    body = b'--x\r\n\r\n{"name": "a", "crc32c": "AAAAAA=="}\r\n--x\r\n\r\ncontent\r\n--x--'
    headers = {"Content-Type": 'multipart/related; boundary="x"'}
    url = "/upload/storage/v1/b/b/o?uploadType=multipart"
    assert answer("POST", url, headers, body).status == 400
    assert answer("POST", url, headers, body.replace(b', "crc32c": "AAAAAA=="', b"")).status == 200
    assert bucket.blob("a").download_as_bytes() == b"content"


def test_a_session_says_how_much_it_has(server):
    answer = server.storage.answer
    start = "/upload/storage/v1/b/b/o?uploadType=resumable&name=a&ifGenerationMatch=0"
    url = answer("POST", start, {}, b"").headers["Location"]
    assert "Range" not in answer("PUT", url, {"Content-Range": "bytes */*"}, b"").headers
    answer("PUT", url, {"Content-Range": "bytes 0-2/6"}, b"con")
    asked = answer("PUT", url, {"Content-Range": "bytes */6"}, b"")
    assert (asked.status, asked.headers["Range"]) == (308, "bytes=0-2")
    assert answer("PUT", url, {"Content-Range": "bytes 3-5/6"}, b"ent").status == 200
    # Asked again after a lost answer, it answers the same.
    assert answer("PUT", url, {"Content-Range": "bytes */6"}, b"").status == 200
    assert answer("POST", start, {}, b"").status == 412
