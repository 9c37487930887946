"""Clips and pictures by their id: played, described, kept, deleted, and nobody else's."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from edgecam.media import MediaId, MediaKind
from edgecam.record.disk.library import Library
from waiting import NOON, content, save
from webhouse import House

TABLET = {"Authorization": "Bearer tablet-token"}
LOGINS = {
    "users": {"anna": {"password": "correct horse", "role": "admin"}},
    "tokens": {
        "tablet": {"token": "tablet-token", "role": "admin", "cameras": ["birdbox"]},
        "panel": {"token": "panel-token"},
    },
}


@pytest.fixture
def clip(tmp_path: Path) -> MediaId:
    return save(tmp_path, size=10240).media


async def test_a_clip_is_played_by_byte_ranges(pool: ThreadPoolExecutor, library: Library, clip: MediaId) -> None:
    data = content(10240, int(NOON))
    async with House(pool, library=library).open() as client:
        async with client.get(f"/media/{clip}.mp4") as answer:
            assert answer.content_type == "video/mp4"
            assert answer.headers["Accept-Ranges"] == "bytes"
            assert await answer.read() == data
        async with client.get(f"/media/{clip}.mp4", headers={"Range": "bytes=100-199"}) as answer:
            assert answer.status == 206
            assert answer.headers["Content-Range"] == "bytes 100-199/10240"
            assert await answer.read() == data[100:200]
        async with client.get(f"/media/{clip}.mp4", headers={"Range": "bytes=99999-"}) as answer:
            assert answer.status == 416
        async with client.head(f"/media/{clip}.mp4") as answer:
            assert answer.headers["Content-Length"] == "10240"


async def test_the_best_picture_of_an_event_lies_beside_its_clip(
    pool: ThreadPoolExecutor, library: Library, clip: MediaId
) -> None:
    async with House(pool, library=library).open() as client:
        async with client.get(f"/media/{clip}.jpg") as answer:
            assert answer.status == 404
        library.layout.media(clip.picture).write_bytes(b"jpeg")
        async with client.get(f"/media/{clip}.jpg") as answer:
            assert (answer.content_type, await answer.read()) == ("image/jpeg", b"jpeg")


@pytest.mark.parametrize("kind", [MediaKind.SNAPSHOT, MediaKind.TIMELAPSE])
async def test_stills_are_pictures_and_no_clips(pool: ThreadPoolExecutor, library: Library, kind: MediaKind) -> None:
    still = MediaId.new(NOON, "birdbox", kind, still=True)
    library.layout.folder(still).mkdir(parents=True)
    library.layout.media(still).write_bytes(b"jpeg")
    async with House(pool, library=library).open() as client:
        async with client.get(f"/media/{still.text}.jpg") as answer:
            assert (answer.status, answer.content_type) == (200, "image/jpeg")
        async with client.get(f"/media/{still.text}.mp4") as answer:
            assert answer.status == 404
        async with client.get(f"/api/media/{still.name}") as answer:
            told = await answer.json()
        assert (told["id"], told["kind"], told["url"]) == (still.text, kind, f"media/{still.text}.jpg")


async def test_all_that_is_known_of_a_clip_is_told(pool: ThreadPoolExecutor, library: Library, clip: MediaId) -> None:
    async with House(pool, library=library).open() as client:
        async with client.get(f"/api/media/{clip}") as answer:
            told = await answer.json()
        written = json.loads(library.layout.sidecar(clip).read_bytes())
        assert {name: told[name] for name in written} == written
        assert (told["url"], told["pinned"]) == (f"media/{clip}.mp4", False)
        assert "picture_url" not in told
        library.layout.media(clip.picture).write_bytes(b"jpeg")
        async with client.get(f"/api/media/{clip}") as answer:
            assert (await answer.json())["picture_url"] == f"media/{clip}.jpg"
        library.layout.sidecar(clip).write_bytes(b"{")
        async with client.get(f"/api/media/{clip}") as answer:
            assert (answer.status, (await answer.json())["id"]) == (200, clip.text)


async def test_a_clip_is_kept_until_it_is_not(pool: ThreadPoolExecutor, library: Library, clip: MediaId) -> None:
    async with House(pool, library=library).open() as client:
        for on in (True, True, False):
            async with client.post(f"/api/media/{clip}/keep", json={"on": on}) as answer:
                assert (answer.status, await answer.json()) == (200, {"id": clip.text, "pinned": on})
            assert library.layout.pin(clip).exists() is on
            async with client.get(f"/api/media/{clip}") as answer:
                assert (await answer.json())["pinned"] is on


@pytest.mark.parametrize("sent", [b"", b"{", b"[]", b"null", b'{"on": 1}', b'{"on": "true"}', b"\xff", b"[" * 60_000])
async def test_a_keep_that_is_neither_on_nor_off_is_refused_in_words(
    pool: ThreadPoolExecutor, library: Library, clip: MediaId, sent: bytes
) -> None:
    async with (
        House(pool, library=library).open() as client,
        client.post(f"/api/media/{clip}/keep", data=sent) as answer,
    ):
        assert answer.status == 400
        told = (await answer.json())["error"]
        assert "must be" in told
        assert "last" not in told, "an example that belongs to another address"
    assert not library.layout.pin(clip).exists()


async def test_a_disk_that_refuses_is_told(
    pool: ThreadPoolExecutor, library: Library, clip: MediaId, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(library, "pin", refuse)
    monkeypatch.setattr(library, "remove", refuse)
    async with House(pool, library=library).open() as client:
        for answer in (
            await client.post(f"/api/media/{clip}/keep", json={"on": True}),
            await client.delete(f"/api/media/{clip}"),
        ):
            assert answer.status == 503
            assert "Read-only" in (await answer.json())["error"]


async def test_a_deleted_clip_is_gone_with_all_that_belongs_to_it(
    pool: ThreadPoolExecutor, library: Library, clip: MediaId
) -> None:
    library.layout.media(clip.picture).write_bytes(b"jpeg")
    async with House(pool, library=library).open() as client:
        async with client.delete(f"/api/media/{clip.picture.name}") as answer:
            assert answer.status == 404, "a picture goes with its clip"
        async with client.delete(f"/api/media/{clip}") as answer:
            assert (answer.status, await answer.json()) == (200, {"id": clip.text, "deleted": True})
        for path in (f"/media/{clip}.mp4", f"/media/{clip}.jpg", f"/api/media/{clip}"):
            async with client.get(path) as answer:
                assert answer.status == 404
        async with client.delete(f"/api/media/{clip}") as answer:
            assert answer.status == 404
    assert [path for path in library.layout.root.rglob("*") if path.is_file()] == [library.layout.lock]


async def test_a_limited_token_cannot_tell_anothers_clip_from_none(
    pool: ThreadPoolExecutor, tmp_path: Path, library: Library
) -> None:
    other, none = save(tmp_path, camera="garden").id, MediaId.new(NOON, "garden", MediaKind.EVENT).text
    async with House(pool, http=LOGINS, library=library).open() as client:
        for id in (other, none, "nonsense"):
            for method, path in (
                ("GET", f"/media/{id}.mp4"),
                ("GET", f"/api/media/{id}"),
                ("DELETE", f"/api/media/{id}"),
                ("POST", f"/api/media/{id}/keep"),
            ):
                async with client.request(method, path, headers=TABLET) as answer:
                    assert (answer.status, (await answer.json())["reason"]) == (404, "not_found")
    assert library.find(other)


async def test_viewers_keep_and_delete_nothing(pool: ThreadPoolExecutor, library: Library, clip: MediaId) -> None:
    panel = {"Authorization": "Bearer panel-token"}
    async with House(pool, http=LOGINS, library=library).open() as client:
        async with client.post(f"/api/media/{clip}/keep", json={"on": True}, headers=panel) as answer:
            assert answer.status == 403
        async with client.delete(f"/api/media/{clip}", headers=panel) as answer:
            assert answer.status == 403
        async with client.get(f"/media/{clip}.mp4", headers=panel) as answer:
            assert answer.status == 200
