"""A day of a camera whose times are as bad as times get, through everything between its packets and its clips.

    python tests/day.py [--hours 24] [--seed 1]

H.264 packets (real ones) come with the camera's own times and with arrival times, and a script spoils both: gaps,
duplicated, backward and missing timestamps, bursts, a camera that restarts its count, lost keyframes, and wall clocks
that are set to and fro. They go through the reader, the hub and the recorder as in the daemon; motion comes and goes.
Every clip must then play without a word, last as long as what it shows, and lie in order.
"""

import argparse
import asyncio
import io
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from pathlib import Path

import av

from clips import h264, opened
from edgecam.config import model
from edgecam.events import Bus, ClipSaved, MotionEnded, MotionStarted
from edgecam.frame import Kind, Stamp
from edgecam.health import CameraStatus
from edgecam.hub import FrameHub, Ring
from edgecam.media import Sidecar
from edgecam.record.coding.transcoder import Transcoder
from edgecam.record.disk.recovery import Recovered
from edgecam.record.finisher import Finisher
from edgecam.record.recorder import Recorder
from edgecam.settings import Settings
from edgecam.sources import Rig
from edgecam.sources.timeline import Timeline
from edgecam.sources.tracks import Coded, Role
from fakes import FakeClock, settle, until

FPS, GOP = 2, 6
UNIT = Fraction(1, 90_000)
PRE, POST = 5.0, 4.0
QUIET = 600.0
"""Seconds from one event to the next."""

FAULTS = ("gap", "duplicate", "backward", "missing", "burst", "restart", "lost", "drift")


@dataclass
class Day:
    """What was done to the times, and what came of it."""

    frames: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    steps: int = 0
    events: int = 0
    clips: list[Sidecar] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


class Script:
    """The packets of a camera, one after the other, with times that lie. Seeded."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)
        self._own = self._dice.uniform(0, 1e5)
        self._film = h264(10 * GOP, fps=FPS, gop=GOP)
        self._number = 0
        self._late = 0.0
        self._drift = 1.0
        self.faults: Counter[str] = Counter()

    def next(self) -> tuple[float, "av.Packet[av.stream.Stream] | None"]:
        """Seconds until it arrives, and the packet: None when it was lost on the way."""
        frame = self._film[self._number % len(self._film)]
        self._number += 1
        fault = self._dice.choice(FAULTS) if self._dice.random() < 0.01 else ""
        self.faults[fault] += bool(fault)
        wait, step, told = 1 / FPS + self._late, self._drift / FPS, True
        self._late = 0.0
        match fault:
            case "gap":
                wait = step = self._dice.uniform(1, 8)
            case "duplicate":
                step = 0.0
            case "backward":
                step = -self._dice.uniform(0.1, 3)
            case "missing":
                told = False
            case "burst":
                self._late, wait = wait, 0.0
            case "restart":
                step = -self._own
            case "drift":
                self._drift = 1 + self._dice.uniform(-1e-3, 1e-3)
        self._own += step
        if fault == "lost":
            return wait, None
        packet = av.Packet(frame.data)
        packet.time_base = UNIT
        packet.is_keyframe = frame.keyframe
        packet.pts = packet.dts = round(self._own / UNIT) if told else None
        return wait, packet


@contextmanager
def stream() -> Iterator[av.VideoStream]:
    """As the script's camera describes it: size and codec."""
    film = io.BytesIO(b"".join(frame.data for frame in h264(10 * GOP, fps=FPS, gop=GOP)))
    with av.open(film, format="h264") as container:
        yield container.streams.video[0]


async def live(folder: Path, hours: float, seed: int) -> Day:
    """Live so many hours; nothing waits in real time but for the disk."""
    day, dice, script = Day(), random.Random(seed + 1), Script(seed)
    clock, bus, hub = FakeClock(), Bus(), FrameHub("cam", Ring(PRE + 2))
    camera = model.Camera.model_validate({"source": "synthetic", "record": {"event": {"pre": PRE, "post": POST}}})
    bus.on(ClipSaved, lambda event: day.clips.append(event.media))
    status = CameraStatus("Cam")
    with opened(folder) as library, stream() as video:
        settings = Settings({"cam": camera}, folder / "settings.json", bus, clock)
        finisher = Finisher(
            library=library, transcoder=Transcoder(clock), video={}, bus=bus, clock=clock, recovered=Recovered()
        )
        recorder = Recorder(
            id="cam", config=camera.record, video=camera.video, hub=hub, bus=bus, settings=settings, status=status,
            library=library, finisher=finisher, clock=clock,
        )  # fmt: skip
        lives = [asyncio.create_task(room.run()) for room in (finisher, recorder)]
        await settle()
        rig = Rig(Stamp("cam", clock), clock, demand=hub.demand)
        track = Coded(video, Kind.H264, rig, Timeline(), Role(), "full")
        end, due, event = clock.monotonic() + 3600 * hours, clock.monotonic() + 30, ""
        while clock.monotonic() < end:
            wait, packet = script.next()
            await clock.advance(wait)
            if dice.random() < 0.001:
                clock.step(dice.choice([-7200.0, -3600.0, -1.0, 1.0, 3600.0, 86400.0]))
                day.steps += 1
            for frame in () if packet is None else track.take(packet, clock.monotonic()):
                hub.publish(frame)
                day.frames += 1
                if event and frame.mono < due:
                    status.last_motion_mono = frame.mono
            if hub.ring.span and clock.monotonic() >= due:
                event = _turn(bus, status, clock, event, day)
                due = clock.monotonic() + (dice.uniform(3, 40) if event else QUIET * dice.uniform(0.5, 1.5))
                if not event:
                    before = partial(_saved, day, day.events - 1)
                    await until("the clips of earlier events are saved", before)
        for task in reversed(lives):
            task.cancel()
            await asyncio.wait({task})
        await settings.close()
        day.faults = script.faults
        for clip in day.clips:
            path = library.find(clip.id)
            day.complaints += ["gone"] if path is None else [f"{clip.id}: {what}" for what in judge(clip, path)]
    return day


def _saved(day: Day, events: int) -> bool:
    return len(day.clips) >= events


def _turn(bus: Bus, status: CameraStatus, clock: FakeClock, event: str, day: Day) -> str:
    """Motion begins or ends."""
    now, wall = clock.monotonic(), clock.wall()
    common = {"camera": "cam", "at": wall, "mono": now, "score": 50, "area": 1.0, "box": (0.0, 0.0, 1.0, 1.0)}
    if event:
        bus.publish(MotionEnded(**common, event_id=event, since=wall, duration=1.0))  # type: ignore[arg-type]
        return ""
    day.events += 1
    status.last_motion_mono = now
    bus.publish(MotionStarted(**common, event_id=f"e{day.events}"))  # type: ignore[arg-type]
    return f"e{day.events}"


def judge(clip: Sidecar, path: Path) -> Iterator[str]:
    """What is wrong with a clip, in words; nothing when it is right."""
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        last, frames, times = -1, 0, list[float]()
        for packet in container.demux(video):
            if packet.dts is None or packet.pts is None or packet.time_base is None:
                continue
            if packet.dts <= last:
                yield f"dts {packet.dts} after {last}"
            last = packet.dts
            times.append(float(packet.pts * packet.time_base))
            try:
                frames += len(packet.decode())
            except av.error.FFmpegError as error:
                yield f"cannot be decoded: {error}"
        if not times:
            yield "is empty"
            return
    if abs(clip.duration - (clip.end - clip.start)) > max(0.1, 0.02 * clip.duration):
        yield f"lasts {clip.duration:.1f} s, from {clip.start} to {clip.end}"
    if times[0] != 0.0:
        yield f"begins at {times[0]}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        day = asyncio.run(live(Path(folder), args.hours, args.seed))
    took = time.monotonic() - began
    spoilt = ", ".join(f"{count} {name}" for name, count in sorted(day.faults.items()) if name)
    lines = [
        f"{args.hours:g} h in {took:.0f} s, seed {args.seed}",
        f"{day.frames} frames, {day.events} events, {len(day.clips)} clips",
        f"times spoilt: {spoilt}; the wall clock was set {day.steps} times",
        f"complaints: {len(day.complaints)}",
        *day.complaints[:20],
    ]
    print("\n".join(lines))  # noqa: T201
    return 1 if day.complaints or len(day.clips) < day.events else 0


if __name__ == "__main__":
    sys.exit(main())
