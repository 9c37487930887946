"""What was recorded: days as people mean them, events with their facts, each visitor's own."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from edgecam import durable
from edgecam.media import Looks, MediaId, MediaKind, Receipt, iso
from edgecam.record.disk.library import Library
from waiting import NOON, save
from webhouse import House

BERLIN = ZoneInfo("Europe/Berlin")
BIRDBOX_ONLY = {"tokens": {"tablet": {"token": "tablet-token", "cameras": ["birdbox"]}}}
TABLET = {"Authorization": "Bearer tablet-token"}


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def lay(library: Library, *moments: str, kind: MediaKind = MediaKind.CONTINUOUS, camera: str = "birdbox") -> list[str]:
    """Empty clips that begin at these moments."""
    ids = [MediaId.new(at(moment), camera, kind) for moment in moments]
    for id in ids:
        library.layout.folder(id).mkdir(parents=True, exist_ok=True)
        library.layout.media(id).touch()
        library.layout.sidecar(id).touch()
    return [id.text for id in ids]


async def test_a_day_is_listed_newest_first_with_pictures_and_pins(
    pool: ThreadPoolExecutor, library: Library, tmp_path: Path
) -> None:
    early, late = (save(tmp_path, start=NOON + wait).media for wait in (0, 60))
    library.layout.media(early.picture).touch()
    library.pin(late, True)
    async with House(pool, library=library, zone=BERLIN).open() as client:
        async with client.get("/api/cameras/birdbox/recordings") as answer:
            assert answer.headers["Cache-Control"] == "no-store"
            told = await answer.json()
        assert (told["camera"], told["name"], told["date"], told["may_change"]) == (
            "birdbox",
            "Birdbox",
            "2026-09-21",
            True,
        )
        assert (told["begin"], told["end"]) == ("2026-09-20T22:00:00.000Z", "2026-09-21T22:00:00.000Z")
        assert told["offsets"] == [{"from": told["begin"], "minutes": 120}]
        assert told["items"] == [
            {
                "id": id.text,
                "kind": "event",
                "start": iso(id.start),
                "url": f"media/{id}.mp4",
                "picture_url": picture,
                "pinned": pinned,
            }
            for id, picture, pinned in ((late, None, True), (early, f"media/{early}.jpg", False))
        ]
        async with client.get("/" + told["items"][0]["url"]) as answer:
            assert answer.status == 200


@pytest.mark.parametrize(
    ("date", "hours", "inside", "outside"),
    [
        (
            "2026-03-29",  # 02:00 does not exist
            23,
            ["2026-03-28T23:00:00Z", "2026-03-29T00:59:59Z", "2026-03-29T01:00:00Z", "2026-03-29T21:59:59Z"],
            ["2026-03-28T22:59:59Z", "2026-03-29T22:00:00Z"],
        ),
        (
            "2026-10-25",  # 02:30 comes twice
            25,
            ["2026-10-24T22:00:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T22:59:59Z"],
            ["2026-10-24T21:59:59Z", "2026-10-25T23:00:00Z"],
        ),
    ],
)
async def test_the_days_on_which_clocks_change_are_whole(
    pool: ThreadPoolExecutor, library: Library, date: str, hours: int, inside: list[str], outside: list[str]
) -> None:
    ids = lay(library, *inside)
    lay(library, *outside)
    house = House(pool, library=library, zone=BERLIN)
    house.clock.step(at("2026-12-01T00:00:00Z") - house.clock.wall())
    async with house.open() as client, client.get(f"/api/cameras/birdbox/recordings?date={date}") as answer:
        told = await answer.json()
    assert [item["id"] for item in told["items"]] == ids[::-1]
    assert at(told["end"]) - at(told["begin"]) == hours * 3600
    assert sum(hour["segments"] for hour in told["hours"]) == 4
    assert date in told["days"]


async def test_days_that_may_have_anything_are_named_newest_first_and_none_is_tomorrow(
    pool: ThreadPoolExecutor, library: Library
) -> None:
    lay(library, "2026-09-19T12:00:00Z", "2026-09-21T12:00:00Z")
    lay(library, "2026-09-15T12:00:00Z", kind=MediaKind.SNAPSHOT)
    lay(library, "2026-09-01T12:00:00Z", camera="garden")
    (library.layout.rooms[0] / "birdbox" / "lost+found").mkdir()
    async with (
        House(pool, library=library, zone=BERLIN).open() as client,
        client.get("/api/cameras/birdbox/recordings") as answer,
    ):
        told = await answer.json()
    assert told["days"] == ["2026-09-21", "2026-09-20", "2026-09-19", "2026-09-16", "2026-09-15"]


async def test_kinds_are_chosen_and_the_hours_of_segments_stay(pool: ThreadPoolExecutor, library: Library) -> None:
    lay(library, "2026-09-21T10:00:05Z", "2026-09-21T10:00:15Z", "2026-09-21T12:00:00Z")
    (manual,) = lay(library, "2026-09-21T10:00:00Z", kind=MediaKind.MANUAL)
    async with House(pool, library=library, zone=BERLIN).open() as client:
        async with client.get("/api/cameras/birdbox/recordings?kind=event,manual") as answer:
            told = await answer.json()
        assert [item["id"] for item in told["items"]] == [manual]
        assert told["hours"] == [
            {
                "begin": f"2026-09-21T{hour:02}:00:00.000Z",
                "end": f"2026-09-21T{hour + 1:02}:00:00.000Z",
                "segments": segments,
                "url": "api/cameras/birdbox/export.mp4"
                f"?from=2026-09-21T{hour:02}:00:00.000Z&to=2026-09-21T{hour + 1:02}:00:00.000Z",
            }
            for hour, segments in ((12, 1), (10, 2))
        ]


@pytest.mark.parametrize(
    "question",
    [
        "date=yesterday",
        "date=20260921",
        "date=2026-09-31",
        "date=2026-9-1",
        "date=2026-W38-1",
        "date=0001-01-01",
        "date=9999-12-31",
        "date=../../etc",
        "date=%00",
        "kind=film",
        "kind=event,,manual",
    ],
)
async def test_a_nonsense_day_or_kind_is_refused_in_words(pool: ThreadPoolExecutor, question: str) -> None:
    async with (
        House(pool, zone=BERLIN).open() as client,
        client.get(f"/api/cameras/birdbox/recordings?{question}") as answer,
    ):
        assert answer.status == 400
        assert "such as 2026-11-21" in (told := (await answer.json())["error"]) or "kind must be of event" in told


async def test_a_camera_without_recordings_has_an_empty_day(pool: ThreadPoolExecutor, library: Library) -> None:
    async with House(pool, library=library).open() as client, client.get("/api/cameras/birdbox/recordings") as answer:
        told = await answer.json()
    assert (told["days"], told["items"], told["hours"]) == ([], [], [])


LOOKS = Looks(
    looks=9,
    moving=4,
    peak_score=70,
    peak_area=1.5,
    box=(0.1, 0.2, 0.3, 0.4),
    best=NOON + 103,
    suppressed={"sway": 5},
)


async def test_events_are_told_with_their_facts_newest_first(
    pool: ThreadPoolExecutor, library: Library, tmp_path: Path
) -> None:
    first = save(tmp_path, start=NOON)
    zoned = save(tmp_path, start=NOON + 100, camera="garden").model_copy(
        update={
            "zones": ("door",),
            "score": 70,
            "part": 2,
            "motion": LOOKS,
            "receipt": Receipt(store="folder", key="k", size=1000, at=NOON),
        }
    )
    durable.write(library.layout.sidecar(zoned.media), zoned.dump())
    save(tmp_path, start=NOON + 50, kind=MediaKind.MANUAL)
    async with House(pool, library=library).open() as client:

        async def ask(question: str) -> list[str]:
            async with client.get(
                "/api/events", params=dict(part.split("=") for part in question.split() if part)
            ) as a:
                told = await a.json()
                assert a.status == 200, told
                return [event["id"] for event in told["events"]]

        async with client.get("/api/events") as answer:
            told = await answer.json()
        assert told["more"] is False
        assert [event["id"] for event in told["events"]] == [zoned.id, first.id]
        event = told["events"][0]
        assert (event["event_id"], event["part"], event["score"], event["zones"]) == ("e1", 2, 70, ["door"])
        assert (event["camera"], told["events"][1]["camera"]) == ("garden", "birdbox")
        assert (event["start"], event["end"], event["duration"]) == (iso(NOON + 100), iso(NOON + 110), 10)
        assert (event["stored"], told["events"][1]["stored"]) == (True, False)
        assert event["url"] == f"media/{zoned.id}.mp4"
        assert event["motion"] == {
            "looks": 9,
            "moving": 4,
            "peak_score": 70,
            "peak_area": 1.5,
            "box": [0.1, 0.2, 0.3, 0.4],
            "best": iso(NOON + 103),
            "suppressed": {"sway": 5},
        }
        assert told["events"][1]["motion"] is None
        assert await ask("camera=birdbox") == [first.id]
        assert await ask("zone=door") == [zoned.id]
        assert await ask("zone=roof") == []
        assert await ask(f"from={iso(NOON + 100)}") == [zoned.id]
        assert await ask(f"to={iso(NOON + 100)}") == [first.id]
        assert await ask("from=2026-09-20 to=2026-09-21") == []
        assert await ask("from=1969-01-01T00:00:00Z to=9000-01-01T00:00:00Z") == [zoned.id, first.id]


async def test_so_many_events_as_asked_and_word_of_the_rest(
    pool: ThreadPoolExecutor, library: Library, tmp_path: Path
) -> None:
    ids = [save(tmp_path, start=NOON + 10 * n).id for n in range(5)]
    async with House(pool, library=library).open() as client:
        async with client.get("/api/events?limit=2") as answer:
            told = await answer.json()
        assert ([event["id"] for event in told["events"]], told["more"]) == (ids[:-3:-1], True)
        async with client.get("/api/events", params={"limit": "9", "to": told["events"][-1]["start"]}) as answer:
            told = await answer.json()
        assert ([event["id"] for event in told["events"]], told["more"]) == (ids[2::-1], False)


async def test_an_event_whose_sidecar_is_unreadable_is_still_there(
    pool: ThreadPoolExecutor, library: Library, tmp_path: Path
) -> None:
    media = save(tmp_path).media
    library.layout.sidecar(media).write_bytes(b"{")
    async with House(pool, library=library).open() as client, client.get("/api/events") as answer:
        (event,) = (await answer.json())["events"]
        assert event["id"] == media.text


async def test_a_disk_that_fails_is_told_and_is_no_mistake_of_ours(
    pool: ThreadPoolExecutor, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(library, "days", fail)
    async with House(pool, library=library).open() as client:
        for path in ("/api/events", "/api/cameras/birdbox/recordings"):
            async with client.get(path) as answer:
                assert (answer.status, (await answer.json())["reason"]) == (503, "disk")


@pytest.mark.parametrize(
    "question", ["from=now", "to=2026-13-01", "from=2026-09-22&to=2026-09-21", "limit=0", "limit=x"]
)
async def test_a_nonsense_question_for_events_is_refused(pool: ThreadPoolExecutor, question: str) -> None:
    async with House(pool).open() as client, client.get(f"/api/events?{question}") as answer:
        assert answer.status == 400


async def test_a_limited_token_hears_of_its_cameras_only(
    pool: ThreadPoolExecutor, library: Library, tmp_path: Path
) -> None:
    mine, _ = save(tmp_path).id, save(tmp_path, camera="garden").id
    async with House(pool, http=BIRDBOX_ONLY, library=library).open() as client:
        async with client.get("/api/events", headers=TABLET) as answer:
            assert [event["id"] for event in (await answer.json())["events"]] == [mine]
        for path in ("/api/events?camera={}", "/api/cameras/{}/recordings", "/cameras/{}/recordings"):
            answers = []
            for camera in ("garden", "attic"):
                async with client.get(path.format(camera), headers=TABLET) as answer:
                    answers.append((answer.status, await answer.json()))
            assert answers[0] == answers[1]
            assert answers[0][0] == 404
        async with client.get("/api/cameras/birdbox/recordings", headers=TABLET) as answer:
            assert (await answer.json())["may_change"] is False


@pytest.mark.parametrize("path", ["/api/cameras/birdbox/recordings", "/api/events"])
async def test_a_storage_that_is_away_is_not_taken_for_an_empty_one(
    pool: ThreadPoolExecutor, library: Library, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    library.layout.lock.unlink()
    async with House(pool, library=library).open() as client, client.get(path) as answer:
        assert answer.status == 503
        assert "is gone" in (await answer.json())["error"]
    assert not caplog.messages, "told once for each visitor who looks"
