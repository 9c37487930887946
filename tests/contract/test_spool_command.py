"""`edgecam spool`: what a person sees of what waits, with the daemon and without it."""

import asyncio
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from clips import opened
from edgecam import spool
from edgecam.__main__ import main
from edgecam.health import StoreState
from edgecam.local import NAME
from edgecam.media import Layout, MediaKind, Picture, Receipt, Sidecar
from edgecam.offload.waiting.spool import Spool
from edgecam.record.disk.mender import Mender
from lost import CASES, HURT, events, spoil
from waiting import NOON, content, save
from webhouse import House


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(
        f"cameras:\n  birdbox:\n    source: synthetic\nstorage: {{path: {tmp_path}}}\n"
        f"offload: {{store: {{type: folder, path: {tmp_path}/nas}}}}\n"
    )
    return path


@pytest.fixture
def house(pool: ThreadPoolExecutor, tmp_path: Path) -> House:
    tokens = {
        "robot": {"token": "robot-token", "role": "admin"},
        "wall": {"token": "wall-token"},
        "gate": {"token": "gate-token", "role": "admin", "cameras": ["birdbox"]},
    }
    return House(pool, http={"tokens": tokens}, local=tmp_path / "state" / NAME)


def asked(config: Path, *words: str) -> int:
    return main(["spool", *words, "-c", str(config)])


def old(tmp_path: Path, **how: object) -> Sidecar:
    """A finished clip, long ago."""
    clip = save(tmp_path, **how)  # type: ignore[arg-type]
    os.utime(Layout(tmp_path).sidecar(clip.media), (NOON, NOON))
    return clip


def stored(tmp_path: Path, clip: Sidecar) -> Path:
    Spool(Layout(tmp_path)).done(clip, Receipt(store="nas", key="k.mp4", size=clip.size, at=NOON))
    return Layout(tmp_path).media(clip.media)


async def test_the_running_daemon_says_how_the_store_stands(
    house: House, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spool = house.health.spool
    spool.state, spool.reason = StoreState.BLOCKED, "the bucket does not exist (404 NoSuchBucket)"
    spool.files, spool.bytes, spool.oldest, spool.bad = 3, 5_000_000, NOON, 1
    spool.since, spool.next_try, spool.failures = time.time() - 7300, time.time() + 599, 12
    spool.stored, spool.bytes_stored, spool.last_stored, spool.delay = 40, 80_000_000, time.time() - 7400, 8.24
    spool.rate = lambda: 95_000.0
    async with house.open():
        assert await asyncio.to_thread(asked, config, "status") == 0
        told = capsys.readouterr().out
        assert await asyncio.to_thread(asked, config, "status", "--json") == 0
    assert "blocked (the bucket does not exist (404 NoSuchBucket))" in told
    assert "404 NoSuchBucket)), for 2 h\n" in told
    assert "next try:  in 10 min, 12 failed so far\n" in told
    assert "3 files, 5.0 MB, the oldest from" in told
    assert "leaving:   95.0 kB/s over the last minute\n" in told
    assert "stored:    40 since start, 80.0 MB, the last 2 h ago and 8 s after its end\n" in told
    assert "1 in spool/bad; `edgecam spool list` says why" in told
    found = json.loads(capsys.readouterr().out)
    assert (found["running"], found["state"], found["files"]) == (True, "blocked", 3)
    assert (found["rate"], found["delay"], found["bytes_stored"]) == (95_000, 8.2, 80_000_000)
    assert found["oldest"] == "2026-09-21T14:13:20.000Z"


def test_without_the_daemon_the_disk_says_what_waits(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path, size=700)
    save(tmp_path, start=NOON + 60, size=300)
    assert asked(config, "status", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["running"], found["state"], found["files"], found["bytes"]) == (False, "unknown", 2, 1000)
    assert "edgecam is not running" in found["reason"]


def test_the_list_begins_with_what_goes_next_and_ends_with_what_was_set_aside_and_why(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    segment = save(tmp_path, kind=MediaKind.CONTINUOUS)
    event, later, rotten = (save(tmp_path, start=NOON + at) for at in (1, 2, 3))
    Spool(Layout(tmp_path)).bad(rotten.media, "its hash differs")
    (Layout(tmp_path).bad / "a-stranger.mp4").write_bytes(b"x")
    assert asked(config, "list") == 0
    told = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in told[:3]] == [later.id, event.id, segment.id]
    assert told[3] == f"spool/bad/{rotten.id}.mp4  1.0 kB  its hash differs"
    assert told[4] == "spool/bad/a-stranger.mp4  1 B  nobody wrote down why"
    assert asked(config, "list", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["waiting"][2] == {
        "id": segment.id,
        "camera": "birdbox",
        "kind": "continuous",
        "still": False,
        "size": 1000,
        "start": "2026-09-21T14:13:20.000Z",
    }


def test_what_is_as_recorded_is_said_to_be_and_nothing_is_changed(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old(tmp_path)
    stored(tmp_path, old(tmp_path, start=NOON + 60))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert asked(config, "verify") == 0
    told = capsys.readouterr()
    assert told.out == "2 files, 2.0 kB: all as recorded\n"
    assert told.err == ""  # no progress in a pipe
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_what_is_not_as_recorded_is_named(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    layout = Layout(tmp_path)
    flipped, short, gone, mute, garbled = (old(tmp_path, start=NOON + at) for at in range(5))
    layout.media(flipped.media).write_bytes(content(1000, seed=99))
    stored(tmp_path, short).write_bytes(b"x")
    layout.media(gone.media).unlink()
    layout.sidecar(mute.media).unlink()
    stored(tmp_path, garbled)
    layout.sidecar(garbled.media).write_text('{"id": ')
    data = content(500)
    picture = Picture(time=NOON, width=64, height=48, size=500, sha256=flipped.sha256, md5=flipped.md5)
    pictured = old(tmp_path, start=NOON + 9).model_copy(update={"picture": picture})
    stored(tmp_path, pictured)
    layout.media(pictured.media.picture).write_bytes(data)
    assert asked(config, "verify", "--json") == 3
    found = json.loads(capsys.readouterr().out)
    day = "recordings/birdbox/2026-09-21"
    assert {
        (one["file"], one["waits"]): one["problem"].removesuffix(", so its hash is not known")
        for one in found["damaged"]
    } == {
        (f"{day}/{flipped.id}.mp4", True): "is not what was recorded: its hash differs",
        (f"{day}/{short.id}.mp4", False): "holds 1 of 1000 bytes",
        (f"{day}/{gone.id}.mp4", False): f"is not there, only {gone.id}.json that tells of it; its marker is dropped",
        (f"{day}/{mute.id}.mp4", True): f"{mute.id} has lost its sidecar",
        (f"{day}/{garbled.id}.json", False): f"the sidecar of {garbled.id} is unreadable",
        (f"{day}/{pictured.id}.jpg", False): "is not what was recorded: its hash differs",
    }
    assert found["files"] == 7
    assert {one["left"] for one in found["damaged"]} == {
        None,
        "it is not a video of ours, so nothing can be made anew from it",
    }


def spoiled(tmp_path: Path) -> list[tuple[Sidecar, Sidecar]]:
    """Events whose markers and sidecars were lost in every way, one for each."""
    found = events(tmp_path, len(CASES))
    for (clip, _), (thing, fate) in zip(found, CASES, strict=True):
        spoil(tmp_path, clip, thing, fate)
    return found


def all_waits(tmp_path: Path, found: list[tuple[Sidecar, Sidecar]]) -> bool:
    """Each thing once, as it was."""
    spool = Spool(Layout(tmp_path))
    hashes = {thing.id.name: spool.sidecar(thing.id).sha256 for thing in spool.census().new}
    return hashes == {facts.media.name: facts.sha256 for event in found for facts in event}


def test_without_the_daemon_what_was_lost_is_made_anew_once(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = spoiled(tmp_path)
    assert asked(config, "verify", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert len(told["mended"]) == len(HURT)
    assert all_waits(tmp_path, found)
    assert asked(config, "verify") == 0
    assert capsys.readouterr().out.endswith(": all as recorded\n"), "a second time finds nothing to do"


async def test_the_running_daemon_mends_when_it_is_asked(
    house: House, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = spoiled(tmp_path)
    with opened(tmp_path) as library:  # it has the lock
        async with house.open():
            assert await asyncio.to_thread(asked, config, "verify") == 3
            assert "not mended: the disk refuses: Input/output error" in capsys.readouterr().out
            house.shutter.mender = Mender(library, lambda _: True)
            assert await asyncio.to_thread(asked, config, "verify") == 0
    assert all_waits(tmp_path, found)
    assert f"{len(HURT)} mended" in capsys.readouterr().out


def test_a_daemon_that_cannot_be_asked_is_not_disturbed(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ((clip, _),) = events(tmp_path, 1)
    Layout(tmp_path).sidecar(clip.media).unlink()
    with opened(tmp_path):
        assert asked(config, "verify") == 3
    told = capsys.readouterr().out
    assert "has lost its sidecar" in told
    assert "is in use by another edgecam" in told
    assert "edgecam is not running" in told
    assert not Layout(tmp_path).sidecar(clip.media).exists()


def test_strangers_in_the_spool_are_named_and_left(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ((clip, _),) = events(tmp_path, 1)
    for name in ("wait/holiday", "open/holiday.mp4", f"wait/{clip.id}.parts", f"open/{clip.id}.part.mp4"):
        (tmp_path / "spool" / name).write_bytes(b"")
    assert asked(config, "verify", "--json") == 0
    assert json.loads(capsys.readouterr().out)["strangers"] == ["spool/open/holiday.mp4", "spool/wait/holiday"]
    assert asked(config, "verify") == 0
    assert "spool/wait/holiday: not ours; nobody looks at it" in capsys.readouterr().out
    assert (tmp_path / "spool/wait/holiday").exists()


async def test_a_retry_brings_back_what_is_sound_and_says_why_the_rest_stays(
    house: House, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (refused, _), (rotten, _) = events(tmp_path, 2)
    layout = Layout(tmp_path)
    layout.media(rotten.media).write_bytes(b"x")
    for clip in (refused, rotten):
        Spool(layout).bad(clip.media, "the store refused it 3 times")
    with opened(tmp_path) as library:
        house.shutter.mender = Mender(library, lambda _: True)
        async with house.open():
            assert await asyncio.to_thread(asked, config, "retry") == 0
    told = capsys.readouterr().out.splitlines()
    assert told[:2] == [
        f"{refused.id}.mp4: back in its place",
        f"spool/bad/{rotten.id}.mp4 stays: it is not what was recorded: its hash differs",
    ]
    assert layout.media(refused.media).exists()
    assert layout.marker(refused.media).exists()
    assert house.shutter.retried == 1


def test_of_very_many_things_a_person_is_shown_the_first(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for at in range(spool.SHOWN + 2):
        save(tmp_path, start=NOON + at)
    assert asked(config, "list") == 0
    told = capsys.readouterr().out.splitlines()
    assert len(told) == spool.SHOWN + 1
    assert told[-1] == "... and 2 files more, 2.0 kB; --json has them all"
    assert asked(config, "list", "--json") == 0
    assert len(json.loads(capsys.readouterr().out)["waiting"]) == spool.SHOWN + 2


def test_the_picture_of_an_event_is_listed_and_verified_by_what_its_marker_tells(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layout, clip = Layout(tmp_path), old(tmp_path)
    stored(tmp_path, clip)
    picture = clip.media.picture
    layout.media(picture).write_bytes(content(1000, seed=int(NOON)))
    layout.marker(picture).write_bytes(clip.model_copy(update={"codec": "jpeg"}).dump())
    assert asked(config, "list") == 0
    assert capsys.readouterr().out.startswith(f"{clip.id}.jpg  event")
    assert asked(config, "verify") == 0
    layout.media(picture).write_bytes(content(1000, seed=1))
    assert asked(config, "verify") == 3
    assert f"{clip.id}.jpg: is not what was recorded" in capsys.readouterr().out


def test_a_picture_that_went_before_its_clip_is_not_told_as_lost(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [(clip, _)] = events(tmp_path, 1)
    Layout(tmp_path).marker(clip.media.picture).unlink()  # as when the daemon ended in between
    assert asked(config, "verify") == 0
    assert f"{clip.id}.jpg: is perhaps not in the store yet; it waits" in capsys.readouterr().out


def test_what_the_daemon_is_just_finishing_is_not_damaged(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = save(tmp_path)
    Layout(tmp_path).media(clip.media).unlink()  # comes last, when its sidecar and marker are durable
    assert asked(config, "verify") == 0


async def test_a_retry_reaches_the_daemon(house: House, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    house.health.spool.files = 2
    async with house.open():
        assert await asyncio.to_thread(asked, config, "retry") == 0
        assert capsys.readouterr().out.startswith("the store is tried now (2 files waiting)")
        house.health.spool.state, house.health.spool.reason = StoreState.HELD, "the window opens at 22:00"
        assert await asyncio.to_thread(asked, config, "retry") == 0
        assert capsys.readouterr().out == "nothing may go now (2 files waiting): the window opens at 22:00\n"
        house.shutter.has_store = False
        assert await asyncio.to_thread(asked, config, "retry") == 1
    assert house.shutter.retried == 2
    assert "no `offload` section" in capsys.readouterr().err


@pytest.mark.parametrize(("token", "status"), [("robot", 202), ("wall", 403), ("gate", 403), ("nobody", 401)])
async def test_only_an_admin_of_the_whole_box_may_ask_for_a_retry(house: House, token: str, status: int) -> None:
    headers = {"Authorization": f"Bearer {token}-token"}
    async with house.open() as client:
        async with client.post("/api/spool/retry", headers=headers) as answer:
            assert answer.status == status
        async with client.post("/api/spool/verify", headers=headers, json={"id": "x"}) as answer:
            assert answer.status == (400 if status == 202 else status)
    assert house.shutter.retried == (status == 202)


def test_what_cannot_be_asked_is_one_line(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(config, "retry") == 1
    assert "edgecam is not running" in capsys.readouterr().err
    config.write_text(config.read_text().replace(f"storage: {{path: {tmp_path}}}", "storage: {path: /no/such/place}"))
    for what in ("status", "list", "verify"):
        assert asked(config, what) == 1
        assert capsys.readouterr().err.startswith("edgecam spool: /no/such/place: there is no such folder")


def test_an_empty_mount_point_is_not_an_empty_spool(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text(
        config.read_text().replace(
            f"{{path: {tmp_path}}}", f"{{path: {tmp_path}, require_mount: true}}\nstate: {tmp_path.parent}/state"
        )
    )
    assert asked(config, "list") == 1
    assert capsys.readouterr().err == f"edgecam spool: {tmp_path}: nothing is mounted there\n"
