"""Uploads in parts: how they are cut and what is noted of them, without any store."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from edgecam.offload.stores import BadCredentials, Stored, StoreError, Transient, Upload
from edgecam.offload.stores.asking import REMEMBERED, Asking
from edgecam.offload.stores.body import Body, Piece, Unlike, pieces
from edgecam.offload.stores.journal import Begun, Journal, beginning, composite
from edgecam.offload.stores.multipart import MOST, Multipart
from fakes import FakeClock

DATA = b"0123456789"


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


WHOLE = Upload(DATA, "clip.mp4", len(DATA), md5(DATA), hashlib.sha256(DATA).hexdigest(), "video/mp4", {})


def silent(_: int) -> None: ...


@pytest.mark.parametrize(
    ("size", "cut"),
    [(4, [b"0123", b"4567", b"89"]), (5, [b"01234", b"56789"]), (10, [DATA]), (99, [DATA])],
)
def test_an_upload_is_cut_into_pieces_that_are_the_whole(size: int, cut: list[bytes], tmp_path: Path) -> None:
    file = tmp_path / "clip.mp4"
    file.write_bytes(DATA)
    for upload in (WHOLE, replace(WHOLE, body=file)):
        found = list(pieces(upload, size, silent))
        assert [(piece.size, piece.md5) for piece in found] == [(len(part), md5(part)) for part in cut]
        bodies = [Body(upload, silent, piece) for piece in found]
        assert [body.read() for body in bodies] == cut
        for body in bodies:
            body.__exit__(None, None, None)


@pytest.mark.parametrize("data", [b"0123456780", b"012345678", b"01234567890", b""])
def test_the_last_piece_of_other_bytes_is_never_handed_out(data: bytes) -> None:
    told = list[Piece]()
    cut = pieces(replace(WHOLE, body=data), 4, silent)
    with pytest.raises(Unlike, match=r"clip\.mp4: the bytes that were read are not"):
        told.extend(cut)
    for piece in told:
        assert piece.start + piece.size < len(DATA)


def test_a_file_that_cannot_be_read_is_a_matter_of_time() -> None:
    for file, words in (("/nonexistent/clip.mp4", "No such file"), ("/proc/self/mem", "Input/output error")):
        with pytest.raises(Transient, match=f"{file} cannot be read: {words}"):
            list(pieces(replace(WHOLE, body=Path(file)), 4, silent))


def test_a_piece_is_read_like_a_file_of_its_own_and_its_progress_is_that_of_the_whole() -> None:
    told, piece = list[int](), Piece(4, 4, md5(b"4567"))
    with Body(WHOLE, told.append, piece) as body:
        assert len(body) == 4
        assert [body.read(3), body.read(3), body.read(3)] == [b"456", b"7", b""]
        assert body.seek(-3, 2) == body.tell() == 1
        assert body.read() == b"567"
        assert body.seek(0) == 0
        assert body.read() == b"4567"
    assert told == [7, 8, 8, 8, 8]
    with Body(WHOLE, silent, replace(piece, md5=md5(b"4568"))) as body, pytest.raises(Unlike):
        body.read()


def test_the_etag_of_parts_is_that_of_s3() -> None:
    assert composite([md5(b"a"), md5(b"b")]) == f"{md5(bytes.fromhex(md5(b'a') + md5(b'b')))}-2"


def test_a_journal_is_for_one_upload_cut_in_one_way_to_one_place() -> None:
    noted = beginning("s3 bucket a", WHOLE, 4).model_copy(update={"upload": "u1", "parts": ["x"]})
    assert noted.fits(beginning("s3 bucket a", WHOLE, 4))
    for other in (
        beginning("s3 bucket b", WHOLE, 4),
        beginning("s3 bucket a", WHOLE, 5),
        beginning("s3 bucket a", replace(WHOLE, key="clip-2.mp4"), 4),
        beginning("s3 bucket a", replace(WHOLE, size=11), 4),
        beginning("s3 bucket a", replace(WHOLE, md5=md5(b"")), 4),
    ):
        assert not noted.fits(other)


def test_a_journal_outlives_the_process_and_its_loss_hurts_nobody(tmp_path: Path) -> None:
    noted = beginning("s3 bucket a", WHOLE, 4)
    for path, kept in ((tmp_path / "parts", noted), (tmp_path / "none" / "parts", None), (None, None)):
        Journal(path).note(noted)
        assert Journal(path).read() == kept
        Journal(path).forget()
        assert Journal(path).read() is None
    assert list(tmp_path.iterdir()) == []


def test_no_upload_has_more_parts_than_s3_takes() -> None:
    parts = Multipart(lambda operation, **_: {}, "s3 bucket a", 4)
    for size in (1, 4 * MOST, 4 * MOST + 1, 10**9):
        assert parts.part(size) >= 4
        assert -(-size // parts.part(size)) <= MOST


def test_what_another_store_noted_is_not_this_stores_to_abort(tmp_path: Path) -> None:
    asked = list[str]()

    def call(operation: str, **_: object) -> dict[str, object]:
        asked.append(operation)
        return {}

    parts = Multipart(call, "s3 bucket a", 4)
    journal = Journal(tmp_path / "parts")
    journal.note(Begun(store="s3 bucket b", key="k", size=1, md5="", part=4, upload="u1"))
    parts.abandon(tmp_path / "parts")
    assert (asked, journal.read()) == ([], None)


# Whether a key may ask


class Store:
    """Holds `there` things and answers as told."""

    def __init__(self, refusal: StoreError | None) -> None:
        self.refusal, self.asked = refusal, 0

    def question(self) -> Stored | None:
        self.asked += 1
        if self.refusal:
            raise self.refusal
        return None


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def test_a_key_that_may_not_ask_is_tried_again_after_an_hour(clock: FakeClock) -> None:
    store, asking = Store(BadCredentials("403", "look there")), Asking(clock)
    for _ in range(5):
        with pytest.raises(BadCredentials) as caught:
            asking.ask(store.question)
        assert (str(caught.value), caught.value.hint) == ("403", "look there")
        asking.settle(store.question)
    assert store.asked == 2
    clock.tick(REMEMBERED)
    store.refusal = None
    asking.ask(store.question)
    assert store.asked == 3


def test_a_key_that_may_read_but_not_list_goes_on_asking(clock: FakeClock) -> None:
    store, asking = Store(BadCredentials("403")), Asking(clock)
    for _ in range(3):
        store.refusal = BadCredentials("403")  # what is not there
        with pytest.raises(BadCredentials):
            asking.ask(store.question)
        store.refusal = None
        asking.settle(store.question)
    assert store.asked == 4


@pytest.mark.parametrize("trouble", [None, Transient("busy")])
def test_without_a_doubt_nothing_is_asked_and_trouble_proves_nothing(
    clock: FakeClock, trouble: StoreError | None
) -> None:
    store, asking = Store(None), Asking(clock)
    asking.settle(store.question)
    assert store.asked == 0
    store.refusal = BadCredentials("403")
    with pytest.raises(BadCredentials):
        asking.ask(store.question)
    store.refusal = trouble
    asking.settle(store.question)
    store.refusal = None
    assert asking.ask(store.question) is None


def test_a_refusal_of_what_was_put_just_now_is_proof(clock: FakeClock) -> None:
    store, asking = Store(BadCredentials("403")), Asking(clock)
    for _ in range(3):
        with pytest.raises(BadCredentials):
            asking.ask(store.question, put=True)
    assert store.asked == 1
