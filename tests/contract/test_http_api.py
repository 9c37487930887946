"""The API, the metrics, the page, and how the server meets nonsense."""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor

import aiohttp
import pytest
import yarl

from edgecam.events import SnapshotTaken
from edgecam.health import PublishState, PublishStatus, StoreState
from edgecam.histogram import Histogram
from edgecam.media import MediaKind, iso
from edgecam.supervisor import Fatal
from edgecam.web.page import POLICY
from fakes import settle
from peers import free_port
from webhouse import House, watching


async def test_cameras_are_listed_in_the_files_order_with_their_state(pool: ThreadPoolExecutor) -> None:
    house = House(pool)
    async with house.open() as client:
        house.publish("garden")
        house.clock.tick(2.5)
        async with client.get("/api/cameras") as answer:
            assert answer.headers["Cache-Control"] == "no-store"
            birdbox, garden = await answer.json()
        assert (birdbox["id"], birdbox["name"], birdbox["age"]) == ("birdbox", "Birdbox", None)
        assert (garden["id"], garden["age"], garden["state"]) == ("garden", 2.5, "running")
        assert "viewers" not in garden
        async with client.get("/" + garden["snapshot_url"]) as answer:
            assert answer.status == 200


async def test_an_admin_sees_who_watches(pool: ThreadPoolExecutor) -> None:
    house = House(pool)
    async with house.open() as client, watching(house) as viewer:
        await house.until(lambda: house.status["birdbox"].clients == 1)
        frame = house.publish()
        await viewer.part()
        async with client.get("/api/cameras/birdbox") as answer:
            told = await answer.json()
        (seen,) = told["viewers"]
        assert told["clients"] == 1
        assert seen["address"] == "127.0.0.1"
        assert (seen["frames"], seen["skipped"]) == (1, 0)
        assert seen["bytes"] > len(frame.data)


async def test_health_names_the_bound_address(pool: ThreadPoolExecutor) -> None:
    house = House(pool)
    async with house.open() as client, client.get("/api/health") as answer:
        told = await answer.json()
        assert told["http"] == house.url
        assert set(told["cameras"]) == {"birdbox", "garden"}
        assert told["problems"] == []


async def test_healthz_fails_only_when_the_watchdog_would_not_be_fed(pool: ThreadPoolExecutor) -> None:
    house = House(pool)
    async with house.open() as client:
        house.lose()
        async with client.get("/healthz") as answer:
            assert (answer.status, await answer.json()) == (200, {"status": "ok"})
        house.health.stuck = lambda: ["worker pool"]
        async with client.get("/healthz") as answer:
            assert answer.status == 503
            assert "pool" not in await answer.text()


async def test_a_snapshot_that_was_asked_for_is_told_with_its_id(pool: ThreadPoolExecutor) -> None:
    house = House(pool)
    async with house.open() as client:
        async with client.post("/api/cameras/birdbox/snapshot") as answer:
            assert answer.status == 503
            assert "no picture" in (await answer.json())["error"]
        frame = house.publish()
        async with client.post("/api/cameras/birdbox/snapshot") as answer:
            told = await answer.json()
            assert answer.status == 200
        assert told["url"] == f"media/{told['id']}.jpg"
        assert told["size"] == len(frame.data)
        async with client.post("/api/cameras/attic/snapshot") as answer:
            assert answer.status == 404


async def test_metrics_are_prometheus_text(pool: ThreadPoolExecutor) -> None:
    house = House(pool)
    async with house.open() as client, watching(house) as viewer:
        await house.until(lambda: house.status["birdbox"].clients == 1)
        house.publish()
        await viewer.part()
        house.status["garden"].moving = True
        house.status["garden"].blind_seconds = 61.5
        house.status["garden"].publish = PublishStatus(PublishState.PUBLISHING, dropped=7)
        async with client.get("/metrics") as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            lines = (await answer.text()).splitlines()
        assert 'edgecam_camera_stream_clients{camera="birdbox"} 1' in lines
        assert 'edgecam_camera_stream_frames_total{camera="birdbox"} 1' in lines
        assert 'edgecam_camera_motion{camera="garden"} 1' in lines
        assert 'edgecam_camera_motion_blind_seconds_total{camera="garden"} 61.5' in lines
        assert 'edgecam_camera_publishing{camera="garden"} 1' in lines
        assert 'edgecam_camera_publish_dropped_total{camera="garden"} 7' in lines
        assert not [line for line in lines if "publish" in line and "birdbox" in line], "nothing of it is published"
        assert not [line for line in lines if line.startswith("edgecam_mqtt_connected")], "MQTT is not configured"
        names = [line.split()[2] for line in lines if line.startswith("# TYPE")]
        assert len(names) == len(set(names))
        assert all(line.split()[0].split("{")[0] in names for line in lines if not line.startswith("#"))


async def test_metrics_tell_of_the_store(pool: ThreadPoolExecutor) -> None:
    house = House(pool)
    spool = house.health.spool
    spool.state, spool.failures, spool.bad, spool.rate = StoreState.BLOCKED, 4, 2, lambda: 1500.0
    spool.delays[MediaKind.EVENT] = delays = Histogram((5, 60, 86400))
    for seconds in (3, 4, 30, 100_000):
        delays.add(seconds)
    async with house.open() as client, client.get("/metrics") as answer:
        lines = (await answer.text()).splitlines()
    assert [line for line in lines if "store_delay" in line] == [
        "# HELP edgecam_store_delay_seconds Seconds from the end of a recording to its receipt",
        "# TYPE edgecam_store_delay_seconds histogram",
        'edgecam_store_delay_seconds_bucket{kind="event",le="5"} 2',
        'edgecam_store_delay_seconds_bucket{kind="event",le="60"} 3',
        'edgecam_store_delay_seconds_bucket{kind="event",le="86400"} 3',
        'edgecam_store_delay_seconds_bucket{kind="event",le="+Inf"} 4',
        'edgecam_store_delay_seconds_sum{kind="event"} 100037',
        'edgecam_store_delay_seconds_count{kind="event"} 4',
    ]
    states = {line for line in lines if line.startswith("edgecam_store_state{")}
    assert len(states) == len(StoreState)
    assert {state for state in states if state.endswith(" 1")} == {'edgecam_store_state{state="blocked"} 1'}
    assert {"edgecam_store_failures_total 4", "edgecam_spool_bad 2", "edgecam_lost_total 0"} <= set(lines)
    assert "edgecam_store_rate_bytes_per_second 1500" in lines


@pytest.mark.parametrize(
    "path",
    [
        "/media/..%2f..%2fetc%2fpasswd.mp4",
        "/media/%2fetc%2fpasswd.mp4",
        "/media/%252e%252e%252fpasswd.mp4",
        "/media/x%00.mp4",
        "/media/../../etc/passwd",
        "/media/.mp4",
        "/media/20270115T080000000Z-birdbox-event-aaaaaa.json",
        "/media/20270115T080000000Z-birdbox-event-aaaaaa",
        "/media/20279915T080000000Z-birdbox-event-aaaaaa.mp4",
        "/static/..%2f__init__.py",
        "/static/index.html",
        "/static/%2e%2e/page.py",
        "/cameras/..%2fbirdbox/snapshot.jpg",
        "/cameras/birdbox%00/snapshot.jpg",
        "/cameras/%ff/snapshot.jpg",
        "/cameras/BIRDBOX/snapshot.jpg",
        "/api/cameras/%F0%9F%90%A6",
    ],
)
async def test_no_address_leads_out_of_the_house(pool: ThreadPoolExecutor, path: str) -> None:
    house = House(pool)
    async with house.open() as client, client.get(yarl.URL(path, encoded=True)) as answer:
        assert answer.status == 404
        assert (await answer.json())["reason"] == "not_found"


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"A: b\r\n" * 5000 + b"\r\n",
        b"GET //etc/passwd HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /media/../../../etc/passwd HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -5\r\n\r\n",
        b"BREW / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /healthz HTTP/9.9\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /api/cameras HTTP/1.0\r\n\r\n",
        b"POST /api/cameras/birdbox/snapshot HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nIf-None-Match: \xff\xfe"\r\n\r\n',
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nRange: bytes=zz\r\n\r\n",
    ],
    ids=lambda raw: repr(raw[:24]),
)
async def test_nonsense_is_answered_below_500_or_hung_up_on_and_the_server_lives(
    pool: ThreadPoolExecutor, request_bytes: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    house = House(pool)
    async with house.open() as client:
        reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
        writer.write(request_bytes)
        async with asyncio.timeout(5):
            try:
                line = await reader.readline()
            except ConnectionError:
                line = b""
        assert not line or int(line.split()[1]) < 500, line
        writer.transport.abort()
        async with client.get("/healthz") as answer:
            assert answer.status == 200
    assert not [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")], caplog.text


async def test_a_mistake_of_ours_is_a_500_without_its_insides(
    pool: ThreadPoolExecutor, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: str) -> SnapshotTaken:
        raise RuntimeError("the inside")

    house = House(pool)
    monkeypatch.setattr(house.shutter, "take_snapshot", broken)
    async with house.open() as client, client.post("/api/cameras/birdbox/snapshot") as answer:
        assert answer.status == 500
        assert "inside" not in await answer.text()
    assert "the inside" in caplog.text


async def test_a_method_that_is_not_taken_names_those_that_are(pool: ThreadPoolExecutor) -> None:
    house = House(pool)
    async with house.open() as client, client.put("/api/cameras") as answer:
        assert answer.status == 405
        assert "GET" in answer.headers["Allow"]
        assert (await answer.json())["reason"] == "method_not_allowed"


async def test_the_page_brings_everything_itself_and_keeps_to_its_policy(pool: ThreadPoolExecutor) -> None:
    house = House(pool)
    async with house.open() as client:
        for path, base in (
            ("/", "./"),
            ("/cameras/birdbox", "../"),
            ("/cameras/birdbox/recordings", "../../"),
            ("/cameras/birdbox/recordings/2026-11-21", "../../../"),
        ):
            async with client.get(path) as answer:
                text = await answer.text()
                assert answer.headers["Content-Security-Policy"] == POLICY
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                assert answer.headers["Referrer-Policy"] == "no-referrer"
                assert f'<base href="{base}">' in text
                for forbidden in (
                    "http://",
                    "https://",
                    "<style",
                    " style=",
                    " onclick=",
                    "<script>",
                    'href="/',
                    'src="/',
                ):
                    assert forbidden not in text
                etag = answer.headers["ETag"]
            async with client.get(path, headers={"If-None-Match": etag}) as answer:
                assert answer.status == 304
        for file, kind in (
            ("page.js", "text/javascript"),
            ("recordings.js", "text/javascript"),
            ("style.css", "text/css"),
            ("icon.svg", "image/svg+xml"),
        ):
            async with client.get(f"/static/{file}") as answer:
                assert (answer.status, answer.content_type) == (200, kind)
        for path in ("/cameras/attic", "/cameras/attic/recordings", "/cameras/birdbox/recordings/today"):
            async with client.get(path) as answer:
                assert answer.status == 404


async def test_a_taken_port_stops_the_start_and_is_named(pool: ThreadPoolExecutor) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        house = House(pool, http={"listen": ["127.0.0.1:0", f"127.0.0.1:{port}"]})
        with pytest.raises(Fatal, match=rf"cannot listen on 127\.0\.0\.1:{port}.*in use.*http\.listen"):
            await house.web.bind()


async def test_an_address_of_another_box_is_named_too(pool: ThreadPoolExecutor) -> None:
    house = House(pool, http={"listen": "192.0.2.1:8000", "auth": "none"})
    with pytest.raises(Fatal, match=r"cannot listen on 192\.0\.2\.1:8000"):
        await house.web.bind()


async def test_every_listed_address_is_served_ipv6_too(pool: ThreadPoolExecutor) -> None:
    house = House(pool, http={"listen": ["[::1]:0", "127.0.0.1:0"]})
    async with house.open() as client:
        assert house.url.startswith("http://[::1]:")
        async with client.get("/healthz") as answer:
            assert answer.status == 200


async def test_stopping_waits_for_nobody_who_waits_or_dawdles(pool: ThreadPoolExecutor) -> None:
    house = House(pool)
    loop = asyncio.get_running_loop()
    requests = (
        b"",
        b"GET /cameras/birdbox/snapshot.jpg HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"POST /api/cameras/birdbox/snapshot HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n",
    )
    writers = []
    async with house.open():
        for request in requests:
            _, writer = await asyncio.open_connection("127.0.0.1", house.port)
            writer.write(request)
            writers.append(writer)
        await house.until(lambda: house.hubs["birdbox"].wanted)
        began = loop.time()
    assert loop.time() - began < 2
    for writer in writers:
        writer.transport.abort()


async def test_who_hangs_up_is_not_waited_for(pool: ThreadPoolExecutor) -> None:
    house = House(pool)
    async with house.open() as client:
        with pytest.raises(TimeoutError):
            await client.get("/cameras/birdbox/snapshot.jpg", timeout=aiohttp.ClientTimeout(0.05))
        await house.until(lambda: not house.hubs["birdbox"].wanted)


async def test_a_second_life_opens_its_sockets_anew(pool: ThreadPoolExecutor) -> None:
    house = House(pool, http={"listen": f"127.0.0.1:{free_port()}"})
    async with house.open() as client, client.get("/healthz") as answer:
        assert answer.status == 200
    serving = asyncio.create_task(house.web.run())
    await settle()
    async with (
        aiohttp.ClientSession(house.url, timeout=aiohttp.ClientTimeout(5)) as client,
        client.get("/healthz") as answer,
    ):
        assert answer.status == 200
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving


@pytest.mark.parametrize(
    ("sent", "asked"),
    [
        (b"", (30.0, "http")),
        (b"{}", (30.0, "http")),
        (b'{"duration": "10m", "cause": "pir"}', (600.0, "pir")),
        (b'{"duration": 2.5}', (2.5, "http")),
    ],
)
async def test_an_event_is_triggered_for_a_time_and_with_a_cause(
    pool: ThreadPoolExecutor, sent: bytes, asked: tuple[float, str]
) -> None:
    house = House(pool)
    async with house.open() as client, client.post("/api/cameras/birdbox/trigger", data=sent) as answer:
        told = await answer.json()
        assert answer.status == 200
    assert house.shutter.triggered == [("birdbox", *asked)]
    assert told == {
        "event_id": "20261121T071530123Z-k3x7qa",
        "camera": "birdbox",
        "duration": asked[0],
        "until": iso(house.clock.wall() + asked[0]),
    }


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        (b"[]", "the body must be a JSON object such as"),
        (b'{"duration": "11m"}', "duration must be a duration from 1s to 10m such as 30s"),
        (b'{"duration": null}', "duration must be a duration from 1s to 10m such as 30s"),
        (b'{"cause": "two words"}', "cause must be a word of up to 32 letters"),
        (b'{"duraton": "5s"}', "there is no 'duraton' here; there are: duration, cause"),
    ],
)
async def test_a_trigger_that_makes_no_sense_is_refused(pool: ThreadPoolExecutor, sent: bytes, sentence: str) -> None:
    house = House(pool)
    async with house.open() as client, client.post("/api/cameras/birdbox/trigger", data=sent) as answer:
        assert answer.status == 400
        assert (await answer.json())["error"].startswith(sentence)
    assert house.shutter.triggered == []


async def test_a_camera_that_is_away_cannot_be_triggered_and_says_why(pool: ThreadPoolExecutor) -> None:
    house = House(pool)
    house.shutter.trouble = "privacy is on"
    async with house.open() as client:
        async with client.post("/api/cameras/birdbox/trigger") as answer:
            assert (answer.status, (await answer.json())["error"]) == (503, "birdbox: privacy is on")
        async with client.post("/api/cameras/nobody/trigger") as answer:
            assert answer.status == 404
