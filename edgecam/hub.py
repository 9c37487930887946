"""FrameHub: where a camera's frames and sound arrive once and everybody else finds them.

Loop thread only: capture threads hand frames over with `call_soon_threadsafe`. No locks, no queues per consumer.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from enum import StrEnum
from typing import TypeVar

from edgecam.frame import Frame, Sound

log = logging.getLogger(__name__)

CURRENT = 2.0
"""Seconds for which a picture stays the newest while video goes on without pictures."""

MOST_WITHOUT_KEYFRAME = 64_000_000
"""Bytes of one group of pictures that are kept: some cameras give a keyframe at the start and never again."""

Tap = Callable[[Frame], None]
SoundTap = Callable[[Sound], None]
AnyTap = TypeVar("AnyTap")


class Want(StrEnum):
    """Why somebody wants this camera's frames."""

    VIEWER = "viewer"
    SNAPSHOT = "snapshot"
    MOTION = "motion"
    LIGHT = "light"
    RECORD = "record"
    PUBLISH = "publish"
    DEBUG = "debug"
    """To watch what motion sees, if it looks."""


class Demand(dict[Want, int]):
    """How many want a camera's frames, and why. Changed on the loop's thread, read from any.

    Sources read it to make only what somebody uses; a camera that nobody wants may close.
    """

    def __init__(self) -> None:
        super().__init__(dict.fromkeys(Want, 0))

    @property
    def people(self) -> bool:
        """Pictures for people."""
        return bool(self[Want.VIEWER] or self[Want.SNAPSHOT])

    @property
    def motion(self) -> bool:
        """Pictures to look at, some a second."""
        return bool(self[Want.MOTION] or self[Want.LIGHT])

    @property
    def coded(self) -> bool:
        """Every frame, coded as it is recorded and sent on."""
        return bool(self[Want.RECORD] or self[Want.PUBLISH])

    @property
    def any(self) -> bool:
        """What a camera is open for; the light is looked at, and motion watched, while it is."""
        return any(count for why, count in self.items() if why not in (Want.LIGHT, Want.DEBUG))


class Ring:
    """The newest frames, oldest first, starting at a keyframe.

    Holds at least `seconds` before the newest frame. What lies beyond (up to `reach` seconds) is kept only
    while everything together fits into `memory` bytes, so the limit never cuts the pre-roll. A group without end is
    forgotten as a whole, since nothing can be decoded without its beginning.
    """

    def __init__(self, seconds: float, reach: float = 0.0, memory: int = 0) -> None:
        self._seconds, self._reach, self._memory = seconds, max(seconds, reach), memory
        self._groups: deque[list[Frame]] = deque()  # each begins with a keyframe
        self._sizes: deque[int] = deque()
        self.bytes = 0

    def add(self, frame: Frame) -> bool:
        """False when a group without end had to be forgotten: nothing is kept up to the next keyframe."""
        if frame.keyframe:
            self._groups.append([frame])
            self._sizes.append(len(frame.data))
        elif self._groups:
            self._groups[-1].append(frame)
            self._sizes[-1] += len(frame.data)
        else:
            return True  # nothing can be decoded before the first keyframe
        self.bytes += len(frame.data)
        self._trim(frame.mono)
        if self._sizes[-1] > MOST_WITHOUT_KEYFRAME:
            self.clear()
            return False
        return True

    def _trim(self, now: float) -> None:
        while len(self._groups) > 1:
            second = now - self._groups[1][0].mono  # how far back the ring still reaches without the first group
            if second < self._seconds or (second < self._reach and self.bytes <= self._memory):
                return
            self._groups.popleft()
            self.bytes -= self._sizes.popleft()

    def since(self, mono: float) -> list[Frame]:
        """Frames from the last keyframe at or before `mono` on; all of them when the ring begins later."""
        groups: list[list[Frame]] = []
        for group in reversed(self._groups):
            groups.append(group)
            if group[0].mono <= mono:
                break
        return [frame for group in reversed(groups) for frame in group]

    @property
    def span(self) -> float:
        """Seconds from the oldest frame to the newest."""
        return self._groups[-1][-1].mono - self._groups[0][0].mono if self._groups else 0.0

    def clear(self) -> None:
        self._groups.clear()
        self._sizes.clear()
        self.bytes = 0


def _current(picture: Frame | None, now: float) -> Frame | None:
    """Video goes on without pictures while nobody wants any: the last one is soon no longer that of now."""
    return picture if picture is not None and now - picture.mono <= CURRENT else None


@contextmanager
def _listening(taps: list[AnyTap], call: AnyTap) -> Iterator[None]:
    """Keep `call` among them for as long as the context lasts."""
    taps.append(call)
    try:
        yield
    finally:
        taps.remove(call)


class FrameHub:
    """Newest slots, ring, taps and demand of one camera."""

    def __init__(self, camera: str, ring: Ring) -> None:
        self.camera = camera
        self.ring = ring
        self.newest: Frame | None = None
        """The newest picture that people can be shown."""
        self.look: Frame | None = None
        """The newest picture for motion."""
        self.demand = Demand()
        self.wanting = asyncio.Event()
        """Set while anybody wants frames."""
        self._heard: deque[Sound] = deque()
        self._taps: list[Tap] = []
        self._sound_taps: list[SoundTap] = []
        self._debug_taps: list[Tap] = []
        self._next_view: asyncio.Future[Frame] | None = None
        self._next_look: asyncio.Future[Frame] | None = None
        self.life = 0
        """Grows whenever frames come after there was no camera: what came before does not go on."""
        self._fresh = True
        self._complained = False
        self._number = self._forgotten = -1

    def publish(self, frame: Frame) -> None:
        """A new frame: ring and slots as it suits them, every tap in turn, then whoever awaits it."""
        if self._fresh:
            self._fresh = False
            self.life += 1
            self.ring.clear()  # no clip may begin before an outage and go on after it
        self._number = max(self._number, frame.number)
        if frame.is_coded and not self.ring.add(frame):
            self._complain()
        view, look = frame.is_view, frame.is_look
        self.newest = frame if view else _current(self.newest, frame.mono)
        self.look = frame if look else _current(self.look, frame.mono)
        for tap in tuple(self._taps):
            try:
                tap(frame)
            except Exception:  # one broken consumer must not end the capture, nor keep the frame from the others
                log.exception("%s: a consumer failed on frame %d", self.camera, frame.number)
        if view and self._next_view is not None:
            self._next_view.set_result(frame)
            self._next_view = None
        if look and self._next_look is not None:
            self._next_look.set_result(frame)
            self._next_look = None

    def _complain(self) -> None:
        if not self._complained:
            self._complained = True
            log.warning(
                "%s: %d bytes of video without a keyframe; clips can begin at the next one only: "
                "set a keyframe every few seconds in the camera's settings",
                self.camera,
                MOST_WITHOUT_KEYFRAME,
            )

    def hear(self, sound: Sound) -> None:
        """A new packet of sound; what is older than the ring is forgotten."""
        self._heard.append(sound)
        oldest = sound.mono - max(self.ring.span, 1.0) - 1.0
        while self._heard[0].mono < oldest:
            self._heard.popleft()
        for tap in tuple(self._sound_taps):
            try:
                tap(sound)
            except Exception:
                log.exception("%s: a consumer of sound failed", self.camera)

    def heard(self, mono: float) -> list[Sound]:
        """The sound that began at `mono` or later, as far back as the ring reaches."""
        return [sound for sound in self._heard if sound.mono >= mono]

    async def next(self, after: int = -1) -> Frame:
        """The newest picture for people whose number is above `after`, waiting for it when there is none yet."""
        while self.newest is None or self.newest.number <= after:
            if self._next_view is None:
                self._next_view = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._next_view)
        return self.newest

    async def fresh(self, mono: float) -> Frame:
        """The first picture for people that was captured at `mono` or later, and that is still to come."""
        frame = await self.next(self.newest.number if self.newest else -1)
        while frame.mono < mono:
            frame = await self.next(frame.number)
        return frame

    async def next_look(self, after: int = -1) -> Frame:
        """The newest picture for motion whose number is above `after`, waiting for it when there is none yet."""
        while self.look is None or self.look.number <= after:
            if self._next_look is None:
                self._next_look = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._next_look)
        return self.look

    def show(self, frame: Frame) -> None:
        """What motion saw in a frame, drawn as a JPEG with that frame's number and times, for who wants Want.DEBUG."""
        if self.remembers(frame):
            for tap in tuple(self._debug_taps):
                tap(frame)

    def tap(self, call: Tap) -> AbstractContextManager[None]:
        """Call `call` with each frame, on the loop; it must return at once; what it raises is logged."""
        return _listening(self._taps, call)

    def tap_sound(self, call: SoundTap) -> AbstractContextManager[None]:
        """Call `call` with each packet of sound, as `tap` does with frames."""
        return _listening(self._sound_taps, call)

    def tap_debug(self, call: Tap) -> AbstractContextManager[None]:
        """Call `call` with each picture of what motion sees; it must not raise."""
        return _listening(self._debug_taps, call)

    @contextmanager
    def want(self, why: Want) -> Iterator[None]:
        """Count one consumer for as long as the context lasts."""
        self.demand[why] += 1
        if self.demand.any:
            self.wanting.set()
        try:
            yield
        finally:
            self.demand[why] -= 1
            if not self.demand.any:
                self.wanting.clear()

    @property
    def wanted(self) -> bool:
        return self.demand.any

    def lose(self) -> None:
        """The camera is gone: its newest picture is no longer true. What it saw before stays in the ring
        until it is back.
        """
        self.newest = self.look = None
        self._fresh = True

    def clear(self) -> None:
        """Forget all pictures and all sound: privacy."""
        self._forgotten = self._number
        self.lose()
        self.ring.clear()
        self._heard.clear()

    def remembers(self, frame: Frame) -> bool:
        """Whether a frame that was published here, or what was made of it, may still be shown: not after `clear`."""
        return frame.number > self._forgotten
