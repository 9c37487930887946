"""The disk under the spool rots, fills, turns read-only or breaks."""

import json
import os
import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from crash import scan
from edgecam.media import Layout, MediaKind, Sidecar
from faults.home import Home, recording
from faults.rows import Found, Trial, Unable
from mounts import Loop, may_loop, may_mount, mount, mounts, tmpfs, unmount
from outside import Ear, Edgecam, until
from peers import Mosquitto

MB = 1_000_000
NODE = "edgecam/testbox"

# 14


def _flip(data: bytearray, chance: random.Random) -> None:
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _blank(data: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(data) // 4096) * 4096
    data[at : at + 4096] = bytes(4096)


def _cut(data: bytearray, chance: random.Random) -> None:
    del data[-chance.randrange(1, len(data)) :]


def _empty(data: bytearray, _: random.Random) -> None:
    data.clear()


def _grow(data: bytearray, _: random.Random) -> None:
    data += b"\0"


ROT: tuple[Callable[[bytearray, random.Random], None], ...] = (_flip, _blank, _cut, _empty, _grow)


def rot(trial: Trial) -> Found:
    """14. Bits of what waits rot: it is set aside and told, not uploaded and not deleted; the others go."""
    chance = random.Random(trial.seed)
    with Home(trial.folder) as home:
        clips, layout = home.waits(60 if trial.full else 8), Layout(home.box.library)
        rotten = {}
        for number, clip in enumerate(chance.sample(clips, 20 if trial.full else len(ROT))):
            media = layout.media(clip.media)
            data = bytearray(media.read_bytes())
            ROT[number % len(ROT)](data, chance)
            media.write_bytes(data)
            rotten[clip.id] = bytes(data)
        with home.box as box:
            home.drained()
            told = f"store: {len(rotten)} damaged things lie in spool/bad; `edgecam spool list` says why"
            assert box.health()["problems"] == [told]
            assert all(f"{id}.mp4 is not what was recorded" in box.log for id in rotten)
        with home.box as box:
            until("the next start tells it too", lambda: box.health()["problems"] == [told])
        found = {path.stem: path.read_bytes() for path in layout.bad.glob("*.mp4")}
        assert found == rotten
        notes = [json.loads((layout.bad / f"{id}.json").read_bytes())["note"] for id in rotten]
        assert all("its hash differs" in note for note in notes)
        home.check(but=rotten)
        return Found(len(clips), told)


# 25


def room_ends(trial: Trial) -> Found:
    """25. Somebody else fills the disk while the store is away: what had to go is what is told, by everybody."""
    if not may_mount():
        raise Unable("mounting needs root")
    folder, some = trial.folder, 40 if trial.full else 6
    chance = random.Random(trial.seed)
    with (
        Mosquitto(folder / "mqtt") as broker,
        Ear(broker.port) as ear,
        tmpfs(folder / "box/library", some * 3 * MB) as place,
        Home(folder, kinds=("event", "continuous"), broker=broker, reserve=f"{MB}B") as home,
    ):
        segments = home.waits(some, MB, kind=MediaKind.CONTINUOUS, hours=8)
        events = home.waits(some, MB, hours=6)
        home.proxy.refuse()
        with home.box as box:
            until("the store is away", lambda: box.health()["spool"]["state"] == "retrying")
            with (place / "filler").open("wb") as filler:
                while len(_here(home)) > some // 2:  # all segments and half of the events
                    filler.write(bytes(min(chance.randrange(3 * MB, 6 * MB), _free(place))))
                    filler.flush()
                    until("there is room again", lambda: _free(place) > MB)
                until("all tell the same while the store is away", lambda: _alike(box, ear, _gone(home)))
                before = _told(ear)
                home.proxy.mend()
                home.drained()  # from now on nothing can be lost
                until("all tell the same at the end", lambda: _alike(box, ear, _told(ear)))
                gone = _told(ear)
        assert before <= gone <= _gone(home), "what is here is told to be lost"
        assert {clip.id for clip in segments} < gone, "an event went before a segment"
        assert gone == {clip.id for clip in (segments + events)[: len(gone)]}, "not the oldest"
        home.check(but=gone)
        return Found(len(home.clips), f"{len(gone)} had to go, as health, MQTT and its events say; the rest arrived")


def _here(home: Home) -> set[str]:
    return {path.stem for path in home.box.library.glob("recordings/*/*/*.mp4")}


def _gone(home: Home) -> set[str]:
    return {clip.id for clip in home.clips} - _here(home)


def _told(ear: Ear) -> set[str]:
    return {told["id"] for told in ear.events("offload_dropped")}


def _free(place: Path) -> int:
    found = os.statvfs(place)
    return found.f_bavail * found.f_frsize


def _alike(box: Edgecam, ear: Ear, gone: set[str]) -> bool:
    """Whether each of `gone` was told once, and all count as many."""
    told, health = sorted(told["id"] for told in ear.events("offload_dropped")), box.health()
    counts = {health["spool"]["lost"], health["disk"]["lost"], _health(ear)["spool"]["lost"]}
    return told == sorted(gone) and counts == {len(gone)}


def _health(ear: Ear) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = json.loads(ear.last(f"{NODE}/health") or b"{}")
    return found


def no_room_for_a_byte(trial: Trial) -> Found:
    """25. Between two bytes of a recording, a marker or a sidecar there is suddenly no room; later there is again."""
    if not may_mount():
        raise Unable("mounting needs root")
    chance, times = random.Random(trial.seed), 12 if trial.full else 2
    cameras, kinds = {"wall": recording()}, ("event", "continuous")
    with (
        tmpfs(trial.folder / "box/library", 60 * MB) as place,
        Home(trial.folder, cameras=cameras, kinds=kinds, when_full="stop") as home,
    ):
        with home.box as box:
            for _ in range(times):
                seen = len(home.arrived())
                until("it records and uploads", lambda: len(home.arrived()) > seen + 1, 30)  # noqa: B023
                filler = _fill(place, chance.randrange(16))
                until("the problem is told", lambda: box.health()["problems"])
                filler.unlink()
                until("all is well", lambda: box.health()["problems"] == [], 90)
            assert (box.health()["spool"]["lost"], box.health()["disk"]["lost"]) == (0, 0)
        wrong = scan.whole(place) + scan.orphans(place, wanted=frozenset(kinds)) + scan.stored(home.bucket, place)
        assert wrong == []
        return Found(len(home.arrived()), f"{times} times no room at all; every file is whole")


def _fill(place: Path, pages: int) -> Path:
    """Take all the room but so many pages, though others write as well."""
    filler = place / "filler"
    with filler.open("wb", 0) as file:
        with suppress(OSError):
            while True:
                file.write(bytes(4096))
        file.truncate(max(0, file.tell() - pages * 4096))
    return filler


# 27


def read_only(trial: Trial) -> Found:
    """27. The disk turns read-only with clips that wait, as a worn SD card does; later it is writable again."""
    if not may_mount():
        raise Unable("mounting needs root")
    folder = trial.folder
    cameras = {"wall": recording() | {"offload": False}}
    with (
        Mosquitto(folder / "mqtt") as broker,
        Ear(broker.port) as ear,
        mounts(folder / "box/library") as place,
        Home(folder, cameras=cameras, broker=broker) as home,
    ):
        (folder / "disk").mkdir()
        mount(place, "--bind", str(folder / "disk"))
        clips = home.waits(12 if trial.full else 3)
        home.proxy.refuse()
        with home.box as box:
            until("the store is away", lambda: box.health()["spool"]["state"] == "retrying")
            mount(place, "--bind", str(place))
            mount(place, "-o", "remount,bind,ro")
            home.proxy.mend()
            _problem(box, ear, "Read-only")
            until("a clip is in the store", home.arrived, 60)
            _alive(box, ear)
            assert len(box.waiting()) == len(clips), "it left the spool without a receipt"
            unmount(place)
            home.drained()
            if trial.full:  # a component that had failed is a problem until it has been well for a minute
                until("all is well", lambda: box.health()["problems"] == [], 90)
        sent = [asked.path for asked in home.proxy.asked("PUT", ".mp4")]
        assert len(sent) == len(set(sent)) == len(clips), "sent twice"
        home.check()
        return Found(len(clips), "problem told, live view and MQTT go on; nothing sent twice")


def broken(trial: Trial) -> Found:
    """27. Most of the disk answers with I/O errors, until it is mended: nothing leaves it, nothing is deleted."""
    if not may_loop():
        raise Unable("an image as a disk needs root, mkfs.ext4 and a loop device")
    folder = trial.folder
    cameras = {"wall": recording() | {"offload": False}}
    with (
        Mosquitto(folder / "mqtt") as broker,
        Ear(broker.port) as ear,
        Loop(folder / "image", folder / "box/library", 64 << 20) as disk,
        Home(folder, cameras=cameras, broker=broker) as home,
    ):
        place = home.box.library
        (place / "filler").write_bytes(bytes(8 << 20))
        clips = home.waits(12 if trial.full else 4, MB)
        home.proxy.refuse()
        with home.box as box:
            until("the store is away", lambda: box.health()["spool"]["state"] == "retrying")
            os.sync()
            disk.break_off(8 << 20)
            for clip in clips:
                _forget(Layout(place).media(clip.media))
            home.proxy.mend()
            _problem(box, ear, "")
            _alive(box, ear)
            disk.restore()
            until("each is stored or set aside", lambda: not box.waiting(), 120)
            _alive(box, ear)
        aside = {path.stem: path for path in Layout(place).bad.glob("*.mp4")}
        for clip in clips:
            if clip.id in aside:
                assert _is(clip, aside[clip.id])
        home.check(but=aside)
        return Found(len(clips), f"problem told, live view and MQTT go on; {len(aside)} set aside, whole")


def _is(clip: Sidecar, path: Path) -> bool:
    return scan.sha256(path) == clip.sha256


def _forget(path: Path) -> None:
    """What is read of it next comes from the disk."""
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _problem(box: Edgecam, ear: Ear, words: str) -> None:
    """It is told here and there."""
    until("the problem is told", lambda: any(words in problem for problem in box.health()["problems"]), 30)
    until("MQTT tells it", lambda: any(words in str(problem) for problem in _health(ear)["problems"]))


def _alive(box: Edgecam, ear: Ear) -> None:
    """Live view and MQTT do what they always do."""
    assert box.get("cameras/wall/snapshot.jpg?fresh=1")[0] == 200
    assert ear.last(f"{NODE}/status") == b"online"
    seen = len(ear.all("wall/motion"))
    until("motion is told", lambda: len(ear.all("wall/motion")) > seen + 1)
