"""What S3 and Azure may answer, from a server that says exactly what it is told, and what edgecam makes of it."""

import errno
import os
import ssl
import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from urllib3.util.ssl_match_hostname import CertificateError

from answering import CLIP, MD5, PAGE, Answers, answering, s3, xml
from edgecam.config.secret import Secret, Url
from edgecam.config.store import AzureStore, FolderStore, S3Store, StoreConfig
from edgecam.offload.stores import (
    BadClock,
    BadCredentials,
    BadSettings,
    Corrupt,
    Permanent,
    Store,
    StoreError,
    StoreFull,
    Transient,
    open_store,
)
from edgecam.offload.stores.body import Body
from edgecam.offload.stores.verdict import judge, retry_after, unreachable


@pytest.fixture
def server() -> Iterator[Answers]:
    with answering() as server:
        yield server


def azure(url: str) -> AzureStore:
    key = Secret("c2VjcmV0IHNlY3JldCBzZWNyZXQ=")
    return AzureStore(container="birdbox", account="birds", account_key=key, endpoint=Url(url))


def put(store: Store) -> None:
    store.put(CLIP, lambda _: None)


def answer_to_put(config: StoreConfig) -> StoreError:
    with pytest.raises(StoreError) as caught:
        put(open_store(config))
    return caught.value


@pytest.mark.parametrize("make", [s3, azure])
@pytest.mark.parametrize(
    ("status", "body", "verdict", "words", "hint"),
    [
        (200, PAGE, Transient, "is not the store", "login page"),
        (302, PAGE, Transient, "is not the store", "login page"),
        (403, b"", BadCredentials, "the store refused the key (403", "offload.store."),
        (401, PAGE, BadCredentials, "the store refused the key (401", "offload.store."),
        (404, b"", Permanent, "no such address (404)", "offload.store.endpoint"),
        (408, b"", Transient, "busy (408", None),
        (412, b"", Transient, "at the key already", None),
        (500, b"", Transient, "busy (500", None),
        (503, b"", Transient, "busy (503", None),
        (501, b"", BadSettings, "does not take what we send (501", "offload.store"),
        (507, b"", StoreFull, "the store is full (507", "make room"),
        (418, b"", BadSettings, "does not take what we send (418", "offload.store"),
    ],
)
def test_a_store_of_any_make_is_understood_by_its_status(
    server: Answers, make: object, status: int, body: bytes, verdict: type, words: str, hint: str | None
) -> None:
    server.answers.append((status, {}, body))
    assert callable(make)
    error = answer_to_put(make(server.url))
    assert isinstance(error, verdict)
    assert words in str(error)
    assert (hint or "") in (error.hint or "")


@pytest.mark.parametrize(
    ("status", "code", "verdict", "words", "hint"),
    [
        (403, "SignatureDoesNotMatch", BadCredentials, "refused the key (403 SignatureDoesNotMatch)", "secret_key"),
        (403, "InvalidAccessKeyId", BadCredentials, "does not know the access key", "offload.store.access_key"),
        (403, "AccessDenied", BadCredentials, "not allow this key", "s3:PutObject on the bucket; to fetch, s3:List"),
        (403, "RequestTimeTooSkewed", BadClock, "clock differs", "set the clock"),
        (400, "ExpiredToken", BadCredentials, "have expired", "session_token"),
        (404, "NoSuchBucket", BadSettings, "the bucket does not exist", "offload.store.bucket"),
        (301, "PermanentRedirect", BadSettings, "in another region", "offload.store.region"),
        (400, "BadDigest", Corrupt, "changed on their way", None),
        (400, "IncompleteBody", Transient, "cut before the last byte", None),
        (503, "SlowDown", Transient, "the store is busy (503 SlowDown)", None),
        (400, "RequestTimeout", Transient, "the store is busy", None),
        (409, "OperationAborted", Transient, "the store is busy", None),
        (412, "PreconditionFailed", Transient, "at the key already (412 PreconditionFailed)", None),
    ],
)
def test_the_codes_of_s3_lead_to_the_line_of_the_file_that_is_wrong(
    server: Answers, status: int, code: str, verdict: type, words: str, hint: str | None
) -> None:
    server.answers.append((status, {"Content-Type": "application/xml"}, xml(code)))
    error = answer_to_put(s3(server.url))
    assert isinstance(error, verdict)
    assert words in str(error)
    assert (hint or "") in (error.hint or "")
    assert "s3cr3t" not in f"{error!r}{error.hint}"


@pytest.mark.parametrize("make", [s3, azure])
def test_a_busy_store_says_when_to_come_back(server: Answers, make: object) -> None:
    server.answers.append((503, {"Retry-After": "7"}, b""))
    assert callable(make)
    assert answer_to_put(make(server.url)).retry_after == 7


def test_each_attempt_is_one_request_with_the_md5_of_the_body(server: Answers) -> None:
    server.answers.append((200, {"ETag": f'"{MD5}"'}, b""))
    put(open_store(s3(server.url)))
    [(method, path, headers)] = server.asked
    assert (method, path) == ("PUT", "/birdbox/cams/clip.mp4")
    assert headers["Content-MD5"] == "rKAJF22nKv3nOZSssQs7eQ=="
    assert headers["Content-Length"] == "6"
    assert "x-amz-sdk-checksum-algorithm" not in headers
    server.answers = deque([(500, {}, b"")])
    answer_to_put(s3(server.url))
    assert len(server.asked) == 2


@pytest.mark.parametrize("make", [s3, azure])
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_clip_follows_no_redirect_to_another_place(server: Answers, make: object, status: int) -> None:
    with answering() as elsewhere:
        elsewhere.answers.append((200, {"ETag": f'"{MD5}"'}, b""))
        server.answers.append((status, {"Location": f"{elsewhere.url}/birdbox/cams/clip.mp4"}, b""))
        assert callable(make)
        answer_to_put(make(server.url))
        assert elsewhere.asked == []


@pytest.mark.parametrize(("checksums", "crc32"), [("auto", None), ("md5", None), ("sdk", "P8+ZIw==")])
def test_content_md5_always_goes_along_and_the_sdks_checksum_where_it_is_wanted(
    server: Answers, checksums: str, crc32: str | None
) -> None:
    server.answers.append((200, {"ETag": f'"{MD5}"'}, b""))
    put(open_store(s3(server.url, checksums=checksums)))
    [(_, _, headers)] = server.asked
    assert headers["Content-MD5"] == "rKAJF22nKv3nOZSssQs7eQ=="
    assert headers.get("x-amz-checksum-crc32") == crc32
    assert "aws-chunked" not in headers.get("Content-Encoding", "")
    assert "Transfer-Encoding" not in headers


def test_a_download_whose_checksum_differs_is_no_file(server: Answers, tmp_path: Path) -> None:
    headers = {"ETag": f'"{MD5}"', "x-amz-checksum-crc32": "AAAAAA=="}
    server.answers.append((200, headers, b"a clip"))
    with pytest.raises(Transient, match="changed on their way here"):
        open_store(s3(server.url, checksums="sdk")).get("cams/clip.mp4", tmp_path / "clip.mp4")
    assert not (tmp_path / "clip.mp4").exists()
    open_store(s3(server.url)).get("cams/clip.mp4", tmp_path / "clip.mp4")


def test_another_md5_than_ours_is_another_object_unless_it_is_sealed(server: Answers) -> None:
    foreign = {"ETag": f'"{"0" * 32}"'}
    server.answers.append((200, foreign, b""))
    assert isinstance(answer_to_put(s3(server.url)), Corrupt)
    sealed = foreign | {"x-amz-server-side-encryption": "aws:kms"}
    server.answers = deque([(200, sealed, b""), (200, sealed | {"Content-Length": "6"}, b"")])
    put(open_store(s3(server.url)))


@pytest.mark.parametrize(
    ("head", "outcome"),
    [
        ((200, {"Content-Length": "6", "ETag": '"abc-1"'}), None),
        ((403, {}), None),  # a key that may only put: the answer to the PUT must do
        ((200, {"Content-Length": "5"}), "holds 5 bytes of 6"),
        ((404, {}), "holds nothing of 6"),
        ((503, {}), "busy"),
    ],
)
def test_an_etag_that_proves_nothing_is_followed_by_a_question(
    server: Answers, head: tuple[int, dict[str, str]], outcome: str | None
) -> None:
    server.answers += [(200, {"ETag": '"some-kms-thing"'}, b""), (*head, b"")]
    if outcome is None:
        put(open_store(s3(server.url)))
    else:
        assert outcome in str(answer_to_put(s3(server.url)))
    assert [method for method, _, _ in server.asked] == ["PUT", "HEAD"]


@pytest.mark.parametrize(
    ("head", "outcome"),
    [
        ((200, {"Content-Length": "6", "Content-MD5": "rKAJF22nKv3nOZSssQs7eQ=="}), None),
        ((403, {}), None),
        ((200, {"Content-Length": "6"}), "holds 6 bytes of 6"),
        ((404, {}), "holds nothing of 6"),
    ],
)
def test_azure_must_name_the_md5_of_what_it_holds(
    server: Answers, head: tuple[int, dict[str, str]], outcome: str | None
) -> None:
    server.answers += [(201, {"ETag": '"0x1"'}, b""), (head[0], {"ETag": '"0x1"'} | head[1], b"")]
    if outcome is None:
        put(open_store(azure(server.url)))
    else:
        assert outcome in str(answer_to_put(azure(server.url)))


def test_a_download_that_ends_early_is_no_file(server: Answers, tmp_path: Path) -> None:
    for make in (s3, azure):
        server.answers = deque([(200, {"Content-Length": "100", "ETag": '"x"', "Connection": "close"}, b"a")])
        with pytest.raises(Transient):
            open_store(make(server.url)).get("cams/clip.mp4", tmp_path / "clip.mp4")
        assert not (tmp_path / "clip.mp4").exists()


def test_a_listing_that_is_a_login_page_is_not_believed(server: Answers) -> None:
    server.answers.append((200, {"Content-Type": "text/html"}, PAGE))
    with pytest.raises(Transient, match="is not the store"):
        list(open_store(s3(server.url)).list(""))


# Before anything is sent


def test_aws_itself_is_addressed_without_an_endpoint() -> None:
    config = S3Store(bucket="birdbox", access_key=Secret("AKIAKNOWN"), secret_key=Secret("s3cr3t-s3cr3t"))
    store = open_store(config.changed(region="eu-north-1"))
    assert store.describe() == "s3 bucket birdbox at AWS"
    link = store.link("clip.mp4", 1e9)
    assert link is not None
    assert link[0].startswith("https://birdbox.s3.")
    assert "X-Amz-Expires=604800" in link[0]


def test_buckets_can_be_host_names() -> None:
    link = open_store(s3("https://s3.example.org", addressing="virtual")).link("clip.mp4", 60)
    assert link is not None
    assert link[0].startswith("https://birdbox.s3.example.org/clip.mp4?")


def test_without_any_key_a_person_is_asked_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    error = answer_to_put(S3Store(bucket="birdbox"))
    assert isinstance(error, Permanent)
    assert "no credentials" in str(error)
    with pytest.raises(Permanent, match="no credentials"):
        open_store(S3Store(bucket="birdbox")).link("clip.mp4", 60)
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(Permanent, match="boto3 refuses the settings"):
        open_store(S3Store(bucket="birdbox"))


def test_azure_without_a_key_uses_the_identity_of_the_machine() -> None:
    store = open_store(AzureStore(container="birdbox", account="birds"))
    assert store.describe() == "azure container birdbox at birds.blob.core.windows.net"
    assert store.link("clip.mp4", 60) is None


def test_a_connection_string_that_makes_no_sense_is_not_shown() -> None:
    with pytest.raises(Permanent) as caught:
        open_store(AzureStore(container="birdbox", connection_string=Secret("AccountKey;c2VjcmV0")))
    assert "c2VjcmV0" not in str(caught.value)
    assert "connection_string" in (caught.value.hint or "")


def test_an_account_key_that_is_none_is_told_before_anybody_is_asked() -> None:
    key = Secret("not base64!")
    with pytest.raises(BadCredentials, match="has to be base64") as caught:
        open_store(AzureStore(container="birdbox", account="birds", account_key=key))
    assert "not base64!" not in str(caught.value)


def test_a_missing_package_is_one_line_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "edgecam.offload.stores.azure", raising=False)
    monkeypatch.setitem(sys.modules, "azure.core", None)
    with pytest.raises(Permanent, match="package 'azure' is missing") as caught:
        open_store(azure("http://127.0.0.1:1"))
    assert caught.value.hint == "pip install 'edgecam[azure]'"


def test_a_store_that_must_be_mounted_waits_for_its_mount(tmp_path: Path) -> None:
    store = open_store(FolderStore(path=tmp_path / "nas", require_mount=True))
    if not tmp_path.is_mount() and tmp_path.stat().st_dev == Path("/").stat().st_dev:
        with pytest.raises(Transient, match="nothing is mounted at"):
            put(store)
        assert not (tmp_path / "nas").exists()
    shm = FolderStore(path=Path("/dev/shm"), require_mount=True)  # noqa: S108  a mount that every Linux has
    assert open_store(shm).stat("edgecam-no-such-key") is None


@pytest.mark.parametrize(
    ("code", "verdict", "hint"),
    [
        (errno.EIO, Transient, ""),
        (errno.ESTALE, Transient, ""),  # of a server that was restarted
        (errno.ETIMEDOUT, Transient, ""),
        (errno.ENOSPC, StoreFull, "make room"),
        (errno.EDQUOT, StoreFull, "quota"),
        (errno.EROFS, BadSettings, "read-only"),
        (errno.EACCES, BadCredentials, "let edgecam's user write"),
    ],
)
def test_what_a_mounted_folder_says_at_the_last_moment_is_understood_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, verdict: type[StoreError], hint: str
) -> None:
    def refuse(_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("os.fsync", refuse)
    error = answer_to_put(FolderStore(path=tmp_path))
    assert type(error) is verdict
    assert os.strerror(code) in str(error)
    assert hint in (error.hint or "")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("key", ["../clip.mp4", "/etc/passwd"])
def test_a_key_never_leaves_the_folder(tmp_path: Path, key: str) -> None:
    with pytest.raises(Permanent, match="not a name inside"):
        open_store(FolderStore(path=tmp_path)).stat(key)


def test_a_file_that_cannot_be_read_is_told_by_its_name_and_sends_nothing(tmp_path: Path) -> None:
    for file, words in ((tmp_path / "gone.mp4", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(Transient, match=f"{file} cannot be read: {words}"), Body(replace(CLIP, body=file), print):
            pass
    with Body(replace(CLIP, body=Path("/proc/self/mem")), print) as body, pytest.raises(Transient, match="cannot be"):
        body.read()  # page zero: an I/O error in the middle of a file


def test_a_body_is_checked_on_its_way_and_again_when_it_is_read_again() -> None:
    told = list[int]()
    with Body(CLIP, told.append) as body:
        assert (len(body), body.seekable()) == (6, True)
        for _ in range(2):
            assert body.read(4) + body.read(4) + body.read(None) == b"a clip"
            body.seek(0)
        body.seek(2)
        assert (body.read(2), body.tell()) == (b"cl", 4)  # out of order: nothing to check
    assert told == [4, 6, 6, 4, 6, 6, 4]
    with Body(replace(CLIP, body=b"a clip that grew"), print) as body, pytest.raises(Corrupt):
        body.read()


# The tables themselves


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "120"}, 120.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "Sat, 21 Nov 2026 10:00:30 GMT", "Date": "Sat, 21 Nov 2026 10:00:00 GMT"}, 30.0),
        ({"Retry-After": "Sat, 21 Nov 2026 09:00:00 GMT", "Date": "Sat, 21 Nov 2026 10:00:00 GMT"}, 0.0),
        ({"Retry-After": "Sat, 21 Nov 2026 10:00:30 GMT"}, None),
        ({"Retry-After": "Sat, 21 Nov 2026 10:00:30 -0000", "Date": "Sat, 21 Nov 2026 10:00:00 GMT"}, None),
    ],
)
def test_retry_after_is_seconds_or_a_date_by_the_servers_clock(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


def test_a_status_is_not_said_twice() -> None:
    assert str(judge(403, "403", {}, key_hint="check it", headers={})) == "the store refused the key (403)"


@pytest.mark.parametrize(("content", "why"), [(None, "No such file or directory"), ("garden-pi\n", "no certificate")])
def test_a_ca_that_is_none_is_told_as_such_and_not_as_a_store_out_of_reach(
    tmp_path: Path, content: str | None, why: str
) -> None:
    ca = tmp_path / "ca.pem"
    if content is not None:
        ca.write_text(content)
    with pytest.raises(BadSettings, match=f"{ca}: {why}") as caught:
        open_store(s3("https://s3.example.org", ca=ca))
    assert caught.value.hint == "check offload.store.ca"


@pytest.mark.parametrize("make", [s3, azure])
def test_https_to_a_store_that_speaks_http_is_told_as_such(server: Answers, make: object) -> None:
    assert callable(make)
    error = answer_to_put(make(server.url.replace("http:", "https:")))
    assert isinstance(error, Transient)
    assert str(error) == "127.0.0.1 answers without TLS"
    assert "http://" in (error.hint or "")


@pytest.mark.parametrize(
    ("doubt", "cure"),
    [
        ("self-signed certificate", "offload.store.ca"),
        ("unable to get local issuer certificate", "offload.store.ca"),
        ("certificate has expired", "clock"),
        ("certificate is not yet valid", "clock"),
        ("hostname '127.0.0.1' doesn't match 'nas.local'", "offload.store.endpoint"),
        ("IP address mismatch, certificate is not valid for '127.0.0.1'.", "offload.store.endpoint"),
    ],
)
def test_a_certificate_that_is_not_trusted_is_told_with_its_own_cure(doubt: str, cure: str) -> None:
    error = ssl.SSLCertVerificationError(1, doubt)
    error.verify_message = doubt
    assert cure in (unreachable("nas", error).hint or "")


def test_the_cause_is_found_below_what_libraries_wrap_it_in() -> None:
    certificate = ssl.SSLCertVerificationError(1, "certificate verify failed")
    certificate.verify_message = "self-signed certificate"
    wrapped = RuntimeError("no luck")
    wrapped.__context__ = ValueError({"error": certificate})
    verdict = unreachable("s3.example.org", wrapped)
    assert isinstance(verdict, Permanent)
    assert str(verdict) == "the certificate of s3.example.org is not to be trusted: self-signed certificate"
    assert isinstance(unreachable("nas", CertificateError("it is another's")), BadSettings)
    assert str(unreachable("nas", TimeoutError())) == "nas cannot be reached: no answer in time"
    cut = ssl.SSLEOFError(8, "EOF occurred in violation of protocol (_ssl.c:1)")
    assert str(unreachable("nas", cut)) == "nas cannot be reached: the connection broke"
    ours = RuntimeError("wrapped")
    ours.__cause__ = Corrupt("of the body")
    assert unreachable("nas", ours) is ours.__cause__
    looping = RuntimeError("a")
    looping.args = (looping,)
    assert str(unreachable("nas", looping)) == "nas cannot be reached: the connection broke (RuntimeError)"
