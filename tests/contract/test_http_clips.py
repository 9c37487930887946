"""Saving what was just seen, and any recorded interval as one file: whole, in ranges, to slow clients and to none."""

import random
from concurrent.futures import ThreadPoolExecutor
from zoneinfo import ZoneInfo

import aiohttp
import pytest

from edgecam.media import iso
from edgecam.web.film import Span, wanted
from waiting import NOON
from webhouse import House, Reel, not_reading

EXPORT = f"/api/cameras/birdbox/export.mp4?from={iso(NOON)}&to={iso(NOON + 60)}"
DATA = random.Random(7).randbytes(1_000_500)


@pytest.fixture
def house(pool: ThreadPoolExecutor) -> House:
    house = House(pool, zone=ZoneInfo("Europe/Berlin"))
    house.shutter.film = Reel(DATA)
    return house


# -- saving the last seconds ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("last", "seconds"), [("60s", 60.0), ("5m", 300.0), (60, 60.0), (2.5, 2.5), ("24h", 86400.0), (86400, 86400.0)]
)
async def test_the_last_seconds_are_saved_and_the_clip_is_named_at_once(
    house: House, last: object, seconds: float
) -> None:
    house.shutter.note = "only 42 s were there"
    async with house.open() as client, client.post("/api/cameras/birdbox/clips", json={"last": last}) as answer:
        told = await answer.json()
        assert answer.status == 202
    assert house.shutter.saved == [("birdbox", seconds)]
    assert told == {
        "id": told["id"],
        "url": f"media/{told['id']}.mp4",
        "camera": "birdbox",
        "begin": iso(NOON - seconds),
        "end": iso(NOON),
        "duration": seconds,
        "note": "only 42 s were there",
    }
    assert "-birdbox-manual-" in told["id"]


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"{}",
        b"60",
        b'{"last": 0}',
        b'{"last": -5}',
        b'{"last": true}',
        b'{"last": null}',
        b'{"last": [60]}',
        b'{"last": NaN}',
        b'{"last": Infinity}',
        b'{"last": 86401}',
        b'{"last": "25h"}',
        b'{"last": "forever"}',
        b'{"last": "60"}',
        b'{"last": "soon"}',
        b'{"last": "0s"}',
        b'{"last": 1e999}',
    ],
)
async def test_a_nonsense_length_is_refused_in_words(house: House, sent: bytes) -> None:
    async with house.open() as client, client.post("/api/cameras/birdbox/clips", data=sent) as answer:
        assert answer.status == 400
        assert "must be" in (await answer.json())["error"]
    assert house.shutter.saved == []


async def test_a_misspelt_length_is_refused_by_its_name(house: House) -> None:
    async with house.open() as client, client.post("/api/cameras/birdbox/clips", data=b'{"lst": "5s"}') as answer:
        assert answer.status == 400
        assert (await answer.json())["error"] == "there is no 'lst' here; there are: last"


async def test_why_nothing_can_be_saved_is_told(house: House) -> None:
    house.shutter.trouble = "privacy is on"
    async with house.open() as client:
        async with client.post("/api/cameras/birdbox/clips", json={"last": "60s"}) as answer:
            assert (answer.status, (await answer.json())["error"]) == (503, "birdbox: privacy is on")
            assert answer.headers["Retry-After"]
        async with client.post("/api/cameras/attic/clips", json={"last": "60s"}) as answer:
            assert answer.status == 404


# -- exports -------------------------------------------------------------------------------------------------------


async def test_an_interval_is_one_file_that_says_what_it_covers(house: House) -> None:
    house.shutter.film = Reel(DATA, gaps=((NOON + 10, NOON + 20), (NOON + 30, NOON + 31)))
    async with house.open() as client, client.get(EXPORT) as answer:
        assert answer.status == 200
        assert answer.content_type == "video/mp4"
        assert answer.content_length == len(DATA)
        told = answer.headers
        assert (told["X-From"], told["X-To"]) == (iso(NOON), iso(NOON + 60))
        assert told["X-Gaps"] == f"{iso(NOON + 10)}/{iso(NOON + 20)}, {iso(NOON + 30)}/{iso(NOON + 31)}"
        assert told["Content-Disposition"] == 'attachment; filename="birdbox_2026-09-21_16-13-20_to_16-14-20.mp4"'
        assert await answer.read() == DATA
    assert house.shutter.exported == [("birdbox", NOON, NOON + 60)]


async def test_a_thousand_gaps_fit_into_a_header(house: House) -> None:
    house.shutter.film = Reel(DATA, gaps=tuple((NOON + n, NOON + n + 0.5) for n in range(1000)))
    async with house.open() as client, client.head(EXPORT) as answer:
        assert answer.headers["X-Gaps"].endswith(", and 980 more")


async def test_players_jump_in_it_by_byte_ranges(house: House) -> None:
    async with house.open() as client:
        async with client.head(EXPORT) as answer:
            assert (answer.status, answer.content_length, await answer.read()) == (200, len(DATA), b"")
            etag = answer.headers["ETag"]
        for asked, part in (
            ("bytes=0-0", DATA[:1]),
            ("bytes=999-300000", DATA[999:300001]),
            ("bytes=1000000-", DATA[1000000:]),
            ("bytes=-7", DATA[-7:]),
        ):
            async with client.get(EXPORT, headers={"Range": asked, "If-Range": etag}) as answer:
                assert answer.status == 206
                assert await answer.read() == part
                assert answer.headers["Content-Range"].endswith(f"/{len(DATA)}")
        async with client.get(EXPORT, headers={"Range": "bytes=0-9", "If-Range": '"another"'}) as answer:
            assert (answer.status, answer.content_length) == (200, len(DATA))
        async with client.get(EXPORT, headers={"Range": f"bytes={len(DATA)}-"}) as answer:
            assert (answer.status, answer.headers["Content-Range"]) == (416, f"bytes */{len(DATA)}")
        async with client.get(EXPORT, headers={"If-None-Match": etag}) as answer:
            assert answer.status == 304


async def test_a_player_seeks_in_the_film_that_it_began_and_who_begins_gets_the_newest(house: House) -> None:
    async with house.open() as client:

        async def ask(asked: str) -> int:
            async with client.get(EXPORT, headers={"Range": asked} if asked else {}) as answer:
                assert answer.status in (200, 206)
                await answer.read()
            return len(house.shutter.exported)

        assert [await ask(asked) for asked in ("bytes=0-", "bytes=500-", "bytes=-99", "bytes=0-", "")] == [
            1,
            1,
            1,
            2,
            3,
        ]
        await house.clock.advance(40)
        assert await ask("bytes=500-") == 3
        await house.clock.advance(40)
        assert await ask("bytes=500-") == 3
        await house.clock.advance(62)
        assert await ask("bytes=500-") == 4, "nobody sought for a while"


@pytest.mark.parametrize(
    ("asked", "if_range", "span"),
    [
        (None, None, Span(0, 100, False)),
        ("bytes=0-", None, Span(0, 100, True)),
        ("bytes=10-19", None, Span(10, 20, True)),
        ("bytes=10-19", '"e"', Span(10, 20, True)),
        ("bytes=10-19", 'W/"e"', Span(0, 100, False)),
        ("bytes=10-19", "Mon, 21 Sep 2026 14:13:20 GMT", Span(0, 100, False)),
        ("bytes=90-500", None, Span(90, 100, True)),
        ("bytes=-30", None, Span(70, 100, True)),
        ("bytes=-300", None, Span(0, 100, True)),
        ("bytes=-0", None, None),
        ("bytes=100-", None, None),
        ("bytes=99-", None, Span(99, 100, True)),
        ("bytes=9-3", None, Span(0, 100, False)),
        ("bytes=-", None, Span(0, 100, False)),
        ("bytes=0-1,5-6", None, Span(0, 100, False)),
        ("lines=0-1", None, Span(0, 100, False)),
        ("bytes=" + "9" * 5000 + "-", None, Span(0, 100, False)),
        ("bytes=\u0661-\u0662", None, Span(0, 100, False)),
    ],
)
def test_what_is_no_single_range_is_the_whole(asked: str | None, if_range: str | None, span: Span | None) -> None:
    assert wanted(asked, if_range, '"e"', 100) == span


@pytest.mark.parametrize(
    ("question", "status", "words"),
    [
        ("", 400, "from and to"),
        ("from=2026-09-21T14:00:00Z", 400, "from and to"),
        ("from=yesterday&to=now", 400, "from must be a time such as"),
        ("from=2026-09-21T14:00:00Z&to=2026-09-21T14:00:00Z", 400, "earlier"),
        ("from=2026-09-21T15:00:00Z&to=2026-09-21T14:00:00Z", 400, "earlier"),
        ("from=2026-09-21T00:00:00Z&to=2026-09-21T06:00:01Z", 400, "at most 6h"),
        ("from=0001-01-01T00:00:00&to=9999-12-31T00:00:00", 400, "must be a time|at most 6h"),
    ],
)
async def test_a_nonsense_interval_is_refused_in_words(house: House, question: str, status: int, words: str) -> None:
    async with house.open() as client, client.get(f"/api/cameras/birdbox/export.mp4?{question}") as answer:
        told = await answer.json()
        assert answer.status == status
        assert any(word in told["error"] for word in words.split("|"))
    assert house.shutter.exported == []


async def test_offsets_are_understood_even_where_their_plus_was_not_quoted(house: House) -> None:
    async with house.open() as client:
        for begin in ("2026-09-21T16:13:20%2B02:00", "2026-09-21T16:13:20+02:00", "2026-09-21T14:13:20.000Z"):
            async with client.head(f"/api/cameras/birdbox/export.mp4?from={begin}&to={iso(NOON + 60)}") as answer:
                assert answer.status == 200
    assert house.shutter.exported == [("birdbox", NOON, NOON + 60)] * 3


async def test_a_storage_that_is_away_is_no_reason_to_say_that_nothing_was_recorded(house: House) -> None:
    house.shutter.trouble = "the recordings cannot be read: the storage /mnt/usb is gone"
    async with house.open() as client, client.get(EXPORT) as answer:
        assert (answer.status, (await answer.json())["reason"]) == (503, "no_recordings")
        assert "Retry-After" in answer.headers


async def test_where_nothing_was_recorded_is_told(house: House) -> None:
    house.shutter.film = None
    async with house.open() as client:
        async with client.get(EXPORT) as answer:
            assert (answer.status, await answer.json()) == (
                404,
                {"error": "birdbox: nothing was recorded then", "reason": "nothing_recorded"},
            )
        async with client.get(EXPORT.replace("birdbox", "attic")) as answer:
            assert (answer.status, (await answer.json())["reason"]) == (404, "not_found")


async def test_a_slow_client_is_made_no_more_pieces_than_it_takes(house: House) -> None:
    film = house.shutter.film = Reel(bytes(100_000_000))
    async with house.open() as client, not_reading(house, EXPORT) as reader:
        await house.until(lambda: film.made > 0)
        made, same = 0, 0
        while same < 50:  # until the sockets are filled, others are served meanwhile
            async with client.get("/healthz") as answer:
                assert answer.status == 200
            made, same = film.made, same + 1 if film.made == made else 0
        assert made < 20_000
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(30_000_000)
        assert film.made >= 30_000


async def test_who_hangs_up_ends_the_film(house: House) -> None:
    film = house.shutter.film = Reel(bytes(100_000_000))
    async with house.open():
        async with not_reading(house, EXPORT):
            await house.until(lambda: film.made > 0)
        await house.until(film.closed.is_set)
        assert film.made < 100_000


async def test_a_recording_that_goes_while_it_is_sent_cuts_the_answer_short(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.shutter.film = Reel(DATA, torn=500_000)
    async with house.open() as client:
        async with client.get(EXPORT) as answer:
            assert answer.status == 200
            with pytest.raises(aiohttp.ClientError):
                await answer.read()
        async with client.get("/healthz") as answer:
            assert answer.status == 200
    assert "ends early: No such file" in caplog.text
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_a_limited_token_exports_and_saves_its_cameras_only(pool: ThreadPoolExecutor) -> None:
    token = {"tablet": {"token": "tablet-token", "role": "admin", "cameras": ["garden"]}}
    house = House(pool, http={"tokens": token})
    house.shutter.film = Reel(DATA)
    tablet = {"Authorization": "Bearer tablet-token"}
    async with house.open() as client:
        async with client.get(EXPORT, headers=tablet) as answer:
            assert answer.status == 404
        async with client.post("/api/cameras/birdbox/clips", json={"last": 60}, headers=tablet) as answer:
            assert answer.status == 404
        async with client.get(EXPORT.replace("birdbox", "garden"), headers=tablet) as answer:
            assert answer.status == 200
    assert house.shutter.saved == []
    assert [camera for camera, *_ in house.shutter.exported] == ["garden"]
