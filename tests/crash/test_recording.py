"""Killed at every durable step and at random moments: what was finished is intact, little of the rest is lost.

The child dies by SIGKILL, a real process with real files; only the power stays on.
"""

import asyncio
import hashlib
import math
import os
import random
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import simplejpeg

from clips import counters, opened, probe
from edgecam.clock import SystemClock
from edgecam.config import model
from edgecam.events import Bus, ClipSaved
from edgecam.media import Layout, MediaId, MediaKind, Sidecar
from edgecam.record.coding.transcoder import Transcoder
from edgecam.record.disk.library import Library
from edgecam.record.disk.recovery import Recovered, recover
from edgecam.record.finisher import Finisher
from sounds import decodes, joined, packets, sounds, voice

CHILD = Path(__file__).with_name("recording_child.py")
TESTS = Path(__file__).parents[1]
FPS = 15
ON_THE_WAY = 5
"""Frames that were handed over and are in no fragment: one waits for its end, two for their sound, two for a thread."""

MOST_LOST = {"cam": math.ceil(0.5 * FPS) + ON_THE_WAY, "eye": FPS + ON_THE_WAY}
"""Frames that a kill may cost: the last fragment, half a second of a JPEG camera, a second of an H.264 camera."""


def child(*words: object) -> "subprocess.Popen[str]":
    command = [sys.executable, str(CHILD), *map(str, words)]
    paths = os.pathsep.join([str(TESTS), str(TESTS.parent)])
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": paths})


async def restart(library: Library) -> list[Sidecar]:
    """What the daemon does at its next start, until nothing is left to do."""
    found, bus = recover(library), Bus()
    expected = len(found.saved) + len(found.drafts)
    saved: list[Sidecar] = []
    done = asyncio.Event()

    def save(event: ClipSaved) -> None:
        saved.append(event.media)
        if len(saved) == expected:
            done.set()

    bus.on(ClipSaved, save)
    finisher = Finisher(
        library=library,
        transcoder=Transcoder(SystemClock()),
        video={"cam": model.Video()},
        bus=bus,
        clock=SystemClock(),
        recovered=found,
    )
    if expected:
        life = asyncio.create_task(finisher.run())
        async with asyncio.timeout(30):
            await done.wait()
        life.cancel()
        await asyncio.wait({life})
    return saved


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def finished(library: Library) -> list[Sidecar]:
    """Every clip and snapshot in the library, each whole: media, true sidecar, marker; so are pictures beside clips."""
    layout, found = library.layout, []
    media = {path for room in layout.rooms for path in room.rglob("*") if path.suffix in (".mp4", ".jpg")}
    others = {path for room in layout.rooms for path in room.rglob("*") if path.is_file()} - media
    ids = {MediaId.parse(path.name if path.suffix == ".jpg" else path.stem): path for path in media}
    for id, path in ids.items():
        sidecar = library.sidecar(id)
        assert sidecar is not None
        assert sidecar.media == id
        assert hashlib.sha256(path.read_bytes()).hexdigest() == sidecar.sha256
        assert path.stat().st_size == sidecar.size
        assert layout.marker(id).exists()
        if path.suffix == ".jpg":
            simplejpeg.decode_jpeg(path.read_bytes())
        if not id.beside:
            others.remove(layout.sidecar(id))
            found.append(sidecar)
            picture = library.sidecar(id.picture) if id.kind is MediaKind.EVENT and id.picture in ids else None
            assert (sidecar.picture and sidecar.picture.sha256) == (picture and picture.sha256)
        else:
            assert replace(id, still=False) in ids, "a picture without its clip"
    assert others == set(), "a sidecar or a temporary file without its media"
    assert sorted(path.name for path in layout.wait.iterdir()) == sorted(id.name for id in ids)
    assert list(layout.open.iterdir()) == list(layout.bad.iterdir()) == []
    return sorted(found, key=lambda sidecar: (sidecar.start, sidecar.part))


STEPS = {
    "h264": ("draft", "complete", "synced", "sidecar", "marker", "named", "finished"),
    "torn": ("cut", "synced", "sidecar", "marker", "named", "finished"),
    "jpeg": ("draft", "complete", "coded", "replaced", "synced", "sidecar", "marker", "named", "finished"),
    "best": ("picture", "picture told", "picture marker", "picture named", "sidecar", "marker", "named", "finished"),
    "picture": ("draft", "synced", "sidecar", "marker", "named", "finished"),
}
NAMELESS = ("picture", "picture told", "picture marker")
"""The steps before the best picture has its name."""


@pytest.mark.parametrize(("source", "step"), [(source, step) for source, steps in STEPS.items() for step in steps])
async def test_killed_at_a_durable_step_the_next_start_goes_on_from_there(
    source: str, step: str, tmp_path: Path
) -> None:
    with child("finish", tmp_path, source, step, 1) as process:
        assert process.wait(60) == -signal.SIGKILL, f"there is no step {step}"
    with opened(tmp_path, wanted=lambda _: True) as library:
        saved = await restart(library)
        (sidecar,) = finished(library) or (None,)
        if sidecar is None:
            assert step == "draft"  # not a byte of media was there yet
            assert saved == []
            return
        assert [one.id for one in saved] == ([sidecar.id] if step != "finished" else [])
        path = library.find(sidecar.id)
        assert path is not None
        if sidecar.kind is MediaKind.EVENT:
            assert (probe(path).codec, probe(path).complaints) == (sidecar.codec, "")
            decodes(path)
            heard = voice(path)
            assert heard is not None
            assert heard[1] == pytest.approx(sidecar.duration, abs=0.5 if source == "torn" else 1024 / 48000)
            whole = 40 if source != "torn" else probe(path).frames
            assert counters(path) == list(range(whole))
            assert whole >= 40 - FPS
            assert sidecar.codec == ("mjpeg" if source == "torn" else "h264")
            assert sidecar.interrupted == (source == "torn")
            assert sidecar.event_id == "e"
            assert (sidecar.picture is not None) == (source == "best" and step not in NAMELESS)
        before = tree(tmp_path)
        assert await restart(library) == []
        assert tree(tmp_path) == before


@pytest.mark.parametrize("step", ["synced", "sidecar", "marker", "named"])
async def test_killed_again_while_it_recovers(step: str, tmp_path: Path) -> None:
    with child("finish", tmp_path, "torn", "cut", 1) as process:
        assert process.wait(60) == -signal.SIGKILL
    recovering = (
        "import os, sys, pathlib; from edgecam.media import Layout; from edgecam.record.disk.library import Library\n"
        "from edgecam.record.disk.recovery import recover\n"
        f"step = lambda name: os.kill(os.getpid(), 9) if name == {step!r} else None\n"
        "library = Library(Layout(pathlib.Path(sys.argv[1])), wanted=lambda _: True, step=step)\n"
        "library.open(); recover(library)"
    )
    done = subprocess.run([sys.executable, "-c", recovering, str(tmp_path)], check=False)
    assert done.returncode == -signal.SIGKILL
    with opened(tmp_path, wanted=lambda _: True) as library:
        await restart(library)
        assert [clip.interrupted for clip in finished(library)] == [True]


@pytest.mark.parametrize("seed", range(20))
async def test_killed_in_the_middle_of_recording_little_is_lost_and_nothing_is_orphaned(
    seed: int, tmp_path: Path
) -> None:
    """Two cameras, each with files without end and clips. Every fifth child has its clips coded as H.264 meanwhile."""
    alive = random.Random(seed).randrange(1, 140)
    with child("film", tmp_path, "auto" if seed % 5 == 4 else "mjpeg") as process:
        assert process.stdout
        while int(process.stdout.readline()) < alive:
            pass
        process.kill()
    with opened(tmp_path, wanted=lambda _: True) as library:
        await restart(library)
        media = finished(library)
        for camera, most_lost in MOST_LOST.items():
            for kind in (MediaKind.EVENT, MediaKind.CONTINUOUS):
                clips = [one for one in media if (one.camera, one.kind) == (camera, kind)]
                seen = frames_of(library, clips)
                assert seen == list(range(len(seen))), f"{camera} {kind}: a hole or a repetition"
                assert len(seen) > alive - most_lost, f"{camera} {kind}"
                assert not any(clip.interrupted for clip in clips[:-3])
                if kind is MediaKind.EVENT:
                    assert [clip.part for clip in clips] == list(range(1, len(clips) + 1))
        if seed % 5 == 0:  # strictness costs time
            for path in tmp_path.glob("recordings/*/*/*.mp4"):
                decodes(path)
        before = tree(tmp_path)
        assert await restart(library) == []
        assert tree(tmp_path) == before


def frames_of(library: Library, clips: list[Sidecar]) -> list[int]:
    """The numbers of all frames of one camera's clips of one kind, which are all right in themselves."""
    seen: list[int] = []
    sound: list[bytes] = []
    for clip in clips:
        path = library.find(clip.id)
        assert path is not None
        numbers = counters(path)
        assert clip.duration == pytest.approx(len(numbers) / FPS, abs=0.11)
        if clip.interrupted or clip is clips[0]:  # a player's opinion costs time
            found = probe(path)
            assert (found.frames, found.complaints) == (len(numbers), "")
            beyond = 0.15 if clip.interrupted else 2 * 1024 / 48000  # sound that was written before its frame
            assert found.duration == pytest.approx(clip.duration, abs=0.01 + beyond)
        seen += numbers
        sound += packets(path)
    if clips and clips[0].camera == "cam":
        whole = joined([one for one in sounds(1.0 + 150 / FPS, mono=999.0) if one.mono >= 1000.0])
        assert sound == whole[: len(sound)], "a hole or a repetition in the sound"
        assert len(sound) >= (len(seen) - MOST_LOST["cam"]) / FPS * 48000 / 1024
    return seen


# -- what a crash may leave that no step of ours makes ---------------------------------------------------------------


def left(folder: Path, name: str, data: bytes = b"") -> None:
    path = folder / "spool" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


ID = "20260921T144640000Z-cam-event-abcdef"


async def test_what_cannot_be_played_goes_to_bad_and_nothing_else_stops_for_it(tmp_path: Path) -> None:
    left(tmp_path, f"open/{ID}.part.mp4", b"\0\0\0\x18ftypnonsense")
    left(tmp_path, f"open/{ID}.part.json", b"{not json")
    left(tmp_path, "open/holiday.part.mp4", b"whose is this")
    left(tmp_path, "open/README", b"a person's own note")
    with opened(tmp_path) as library:
        assert await restart(library) == []
        assert tree(tmp_path / "spool") == [
            *(
                "bad",
                f"bad/{ID}.part.json",
                f"bad/{ID}.part.mp4",
                "bad/holiday.part.mp4",
                "open",
                "open/README",
                "wait",
            ),
        ]


async def test_media_that_held_nothing_yet_leaves_nothing(tmp_path: Path) -> None:
    left(tmp_path, f"open/{ID}.part.mp4")
    left(tmp_path, f"open/{ID}.part.json.tmp", b"{")
    left(tmp_path, f"open/{ID}.coded.mp4", b"half")
    with opened(tmp_path) as library:
        assert await restart(library) == []
        assert tree(tmp_path / "spool") == ["bad", "open", "wait"]


async def test_media_that_lost_its_draft_is_saved_by_its_name(tmp_path: Path) -> None:
    with child("finish", tmp_path, "h264", "complete", 1) as process:
        process.wait(60)
    for draft in (tmp_path / "spool" / "open").glob("*.json"):
        draft.unlink()
    with opened(tmp_path, wanted=lambda _: True) as library:
        (saved,) = await restart(library)
        assert (saved.cause, saved.event_id, saved.interrupted) == ("unknown", None, True)
        assert saved.start == pytest.approx(1.79e9, abs=0.001)
        assert finished(library) == [library.sidecar(MediaId.parse(saved.id))]


async def test_a_marker_without_media_is_removed_with_its_sidecar(tmp_path: Path) -> None:
    id = MediaId.parse(ID)
    left(tmp_path, f"wait/{ID}")
    left(tmp_path, "wait/not-ours")
    with opened(tmp_path) as library:
        library.layout.folder(id).mkdir(parents=True)
        library.layout.sidecar(id).write_bytes(b"{}")
        await restart(library)
        assert tree(tmp_path / "spool" / "wait") == ["not-ours"]
        assert not library.layout.sidecar(id).exists()


async def test_a_disk_that_refuses_at_start_delays_the_clip_not_the_start(tmp_path: Path) -> None:
    with child("finish", tmp_path, "torn", "complete", 1) as process:
        process.wait(60)
    recordings = Layout(tmp_path).rooms[0]
    with opened(tmp_path, wanted=lambda _: True) as library:
        recordings.rmdir()
        recordings.write_bytes(b"in the way")
        found = recover(library)
        assert [draft.interrupted for draft in found.drafts] == [True]
        assert recover(library) == Recovered(), "it is in hand"
        recordings.unlink()
    with opened(tmp_path, wanted=lambda _: True) as library:
        assert len(await restart(library)) == len(finished(library)) == 1
