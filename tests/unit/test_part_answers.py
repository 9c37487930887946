"""Uploads in parts to an S3 that says exactly what it is told, and when edgecam takes that for a yes."""

import base64
import hashlib
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from answering import CLIP, MD5, MISSING, PAGE, Answers, Told, answering, head, s3, told, xml
from edgecam.offload.deliver import Form, Found, Stem, look
from edgecam.offload.stores import Stored, StoreError, Transient
from edgecam.offload.stores.journal import composite
from edgecam.offload.stores.s3 import S3
from waiting import parcel


@pytest.fixture
def server() -> Iterator[Answers]:
    with answering() as server:
        yield server


# An upload in parts, of three bytes each


PARTS = [hashlib.md5(data, usedforsecurity=False).hexdigest() for data in (b"a c", b"lip")]
COMPOSITE = composite(PARTS)
BEGUN: Told = (200, {}, told("InitiateMultipartUploadResult", Bucket="birdbox", Key="cams/clip.mp4", UploadId="u1"))
STAGED: list[Told] = [(200, {"ETag": f'"{md5}"'}, b"") for md5 in PARTS]


def completed(etag: str = COMPOSITE) -> Told:
    return 200, {}, told("CompleteMultipartUploadResult", Bucket="birdbox", Key="cams/clip.mp4", ETag=f'"{etag}"')


FAILED: Told = (200, {}, xml("InternalError"))
"""What S3 may say when it began its answer with 200, to keep the line open, and failed then."""
SHA256 = {"x-amz-meta-sha256": CLIP.sha256}
SEALED = {"x-amz-server-side-encryption": "aws:kms"}


def in_parts(server: Answers, *answers: Told, journal: Path | None = None) -> Stored:
    server.answers = deque(answers)
    return S3(s3(server.url), whole=3, part=3).put(replace(CLIP, journal=journal), lambda _: None)


@pytest.mark.parametrize(
    ("answers", "outcome"),
    [
        ((completed(), head(ETag=COMPOSITE)), None),
        ((completed(), (403, {}, b"")), None),  # a key that may only put
        ((completed("whatever-a-store-of-another-make-says"), head()), None),
        ((completed("0" * 32 + "-2"), head()), "has another MD5 than the file"),
        ((completed(), head(5)), "holds 5 bytes of 6"),
        ((completed(), MISSING), "holds nothing of 6"),
        ((completed(""), head()), "is not the store"),
        (((200, {}, PAGE), MISSING), "is not the store"),
        # no yes, but the object is there
        ((FAILED, head(ETag=COMPOSITE)), None),
        (((500, {}, b""), head(ETag=MD5)), None),
        (((500, {}, b""), head(ETag="sealed", headers=SHA256)), None),
        # no yes, and no proof
        ((FAILED, MISSING), "busy (500 InternalError"),
        ((FAILED, (403, {}, b"")), "busy (500 InternalError"),
        (((503, {}, b""), head(ETag="0" * 32 + "-2")), "busy (503"),
        (((503, {}, b""), head(5, ETag=COMPOSITE)), "busy (503"),
    ],
)
def test_the_completion_of_parts_is_believed_only_with_a_proof(
    server: Answers, answers: tuple[Told, ...], outcome: str | None
) -> None:
    if outcome is None:
        assert in_parts(server, BEGUN, *STAGED, *answers).size == 6
        return
    with pytest.raises(StoreError) as caught:
        in_parts(server, BEGUN, *STAGED, *answers)
    assert outcome in str(caught.value)


def test_every_part_has_its_md5_and_no_checksum_that_a_store_might_stumble_over(server: Answers) -> None:
    in_parts(server, BEGUN, *STAGED, completed(), head(ETag=COMPOSITE))
    begin, first, second, complete, _ = server.asked
    assert [(method, path) for method, path, _ in (begin, first, second, complete)] == [
        ("POST", "/birdbox/cams/clip.mp4?uploads"),
        ("PUT", "/birdbox/cams/clip.mp4?uploadId=u1&partNumber=1"),
        ("PUT", "/birdbox/cams/clip.mp4?uploadId=u1&partNumber=2"),
        ("POST", "/birdbox/cams/clip.mp4?uploadId=u1"),
    ]
    assert [headers["Content-MD5"] for _, _, headers in (first, second)] == [
        base64.b64encode(bytes.fromhex(md5)).decode() for md5 in PARTS
    ]
    for _, _, headers in server.asked:
        assert not [name for name in headers if "checksum" in name.lower() or "trailer" in name.lower()]


@pytest.mark.parametrize("forgotten", ["NoSuchUpload", "InvalidPart"])
def test_an_upload_that_is_forgotten_at_the_very_end_begins_anew_once(
    server: Answers, forgotten: str, tmp_path: Path
) -> None:
    journal = tmp_path / "parts"
    gone: Told = (404 if forgotten == "NoSuchUpload" else 400, {}, xml(forgotten))
    with pytest.raises(Transient, match="busy"):
        in_parts(server, BEGUN, *STAGED, (500, {}, b""), MISSING, journal=journal)
    anew = [BEGUN, *STAGED, completed(), head(ETag=COMPOSITE)]
    assert in_parts(server, gone, *anew, journal=journal).etag == COMPOSITE
    with pytest.raises(Transient, match="forgotten an upload"):
        in_parts(server, gone, BEGUN, *STAGED, gone, journal=journal)


@pytest.mark.parametrize("answer", [(200, {}, b""), (200, {}, PAGE), (200, {}, told("Whatever"))])
def test_a_login_page_begins_no_upload_and_takes_no_part(server: Answers, answer: Told) -> None:
    with pytest.raises(Transient, match="is not the store"):
        in_parts(server, answer)
    with pytest.raises(Transient, match="is not the store"):
        in_parts(server, BEGUN, answer)


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (head(ETag=COMPOSITE), Found.OURS),
        (head(ETag=COMPOSITE, headers=SHA256), Found.OURS),
        (head(ETag="sealed", headers=SHA256 | SEALED), Found.OURS),
        (head(ETag=MD5), Found.OURS),
        (head(ETag="0" * 32 + "-2"), Found.TORN),  # others' bytes, or ours in others' parts: nothing proves it
        (head(ETag="0" * 32 + "-3"), Found.TORN),
        (head(ETag=COMPOSITE, headers=SEALED), Found.TORN),
        (head(ETag=COMPOSITE, headers={"x-amz-meta-sha256": "0" * 64}), Found.TORN),
        (head(5, ETag=COMPOSITE), Found.TORN),
    ],
)
def test_an_object_of_parts_is_known_again_without_its_manifest(
    server: Answers, answer: Told, found: Found, tmp_path: Path
) -> None:
    file = tmp_path / "clip.mp4"
    file.write_bytes(b"a clip")
    form = Form(file, ".mp4", CLIP.size, CLIP.md5, CLIP.sha256, CLIP.content_type)
    server.answers += [answer, MISSING]
    store, clip = S3(s3(server.url), whole=3, part=3), parcel("cams/clip", file, b"a clip")
    assert look(store, clip, Stem("cams/clip"), form).found is found
