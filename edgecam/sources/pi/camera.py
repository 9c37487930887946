"""A camera on the Raspberry Pi's ribbon cable, through picamera2.

Every frame of the sensor is counted; its picture is copied only when somebody wants one, and H.264 is coded only while
somebody wants that. Frames have the sensor's own times.
"""

import logging
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from threading import Lock, Thread, current_thread

from edgecam import nal
from edgecam.config import model
from edgecam.frame import Frame, Kind
from edgecam.sources import Broken, Rig
from edgecam.sources.pi.device import STEP, Device
from edgecam.sources.pi.sightings import Packet, Seen, Sightings
from edgecam.sources.pi.trouble import NoMemory
from edgecam.sources.threaded import CaptureThread
from edgecam.supervisor import Fatal

log = logging.getLogger(__name__)

WAIT = 0.2
"""Seconds at most between two looks at what is wanted."""
LIFE = 1.0
"""Seconds between two pictures when nobody wants any: they say that the camera is there."""
LINGER = 3.0
"""Seconds for which the encoder goes on when nobody wants its frames any more."""
OLD = 3.0
"""Seconds after which a frame that arrives is no news."""
TURN = 20.0
"""Seconds to wait until another Pi camera has been opened."""
GRACE = 4 * STEP
"""Seconds for the steps of closing, all together; within the ten that stopping edgecam may take."""
MICROS = Fraction(1, 1_000_000)

_opening = Lock()
"""One Pi camera is opened at a time: tuning goes through the environment of the process."""
_holders: dict[str, Thread] = {}
"""Who holds a camera, by the camera's name in the configuration."""


class Held(Broken):
    """An earlier life of this camera hangs in the library and still has it."""

    def __init__(self, what: str, thread: Thread) -> None:
        super().__init__(f"{what} did not let go when it was closed; if it stays so, edgecam restarts itself")
        self.thread = thread


@dataclass(frozen=True, slots=True)
class Moment:
    """When the sensor gave a frame, and the number that it has."""

    number: int
    mono: float
    wall: float


def boottime() -> float:
    """The clock of sensors, in seconds: it goes on while the computer sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Appetite:
    """Whether a frame's picture is wanted. Pure but for the demand that it reads; asked in order of time."""

    def __init__(self, rig: Rig, fps: float, *, jpeg: bool) -> None:
        self._rig, self._slack, self._jpeg = rig, 0.5 / fps, jpeg
        self._due = float("-inf")

    def __call__(self, at: int) -> bool:
        """`at` in nanoseconds of the sensor."""
        demand, seconds = self._rig.demand, at / 1e9
        if demand.people or (self._jpeg and demand.coded):
            every = 0.0
        elif demand.motion:
            every = 1 / self._rig.looks
        elif demand.coded:
            return False  # coded frames come, and say that the camera is there
        else:
            every = LIFE
        if seconds < min(self._due, seconds + every) - self._slack:
            return False
        self._due = max(self._due, seconds - every) + every  # in the long run as many as wanted, whatever the rate
        return True


class PiReader:
    """Reads frames in the capture thread. Raises Broken."""

    def __init__(self, config: model.Picamera2Source, rig: Rig, now: Callable[[], float] = boottime) -> None:
        self._rig, self._now = rig, now
        self._patience = config.stall_timeout
        self._device = Device(config, rig.video, rig.stamp.camera)
        self._jpeg = not self._device.is_h264
        self._sightings = Sightings(Appetite(rig, config.fps, jpeg=self._jpeg))
        self._moments: OrderedDict[int, Moment] = OrderedDict()
        self._offset: float | None = None  # from the sensor's clock to ours
        self._extradata: bytes | None = None
        self._coded_at = 0  # the newest coded frame, as its packet says
        self._coded_until = 0.0
        self.hung: Thread | None = None

    @property
    def what(self) -> str:
        return self._device.what

    def leave(self) -> None:
        """From any thread: read no more."""
        self._sightings.close()

    def open(self) -> None:
        name = self._rig.stamp.camera
        before = _holders.get(name)
        if before is not None and before.is_alive():
            raise Held(self.what, before)
        with self._turn():
            _holders[name] = current_thread()
            try:
                self._device.open(self._sightings.saw, self._sightings.coded if self._rig.demand.coded else None)
            except NoMemory as error:
                if self._rig.stamp.next > 1:  # it was there before: what is left lies in pieces
                    raise Fatal(f"{name}: {error}; a new process may get it again") from error
                raise
        self._seen = self._rig.clock.monotonic()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        deadline = time.monotonic() + TURN
        while not _opening.acquire(timeout=WAIT):
            if self._sightings.closed or time.monotonic() > deadline:
                raise Broken("another Pi camera is still being opened")
        try:
            yield
        finally:
            _opening.release()

    def read(self) -> Frame | None:
        while not self._sightings.closed:
            self._follow()
            item = self._sightings.take(WAIT)
            frame = None
            if isinstance(item, Seen):
                frame = self._picture(item)
            elif item is not None:
                frame = self._coded(item)
            if frame is not None:
                return frame
            if (silent := self._rig.clock.monotonic() - self._seen) > self._patience:
                again = ", only the last one again and again" if self._sightings.stale else ""
                raise Broken(f"no frame for {silent:.1f} s from {self.what}{again}")
        return None

    def _follow(self) -> None:
        """Give the camera what has changed: colours, and whether to code."""
        device, demand = self._device, self._rig.demand
        device.tone(self._rig.tone.grey)
        if self._jpeg:
            return
        now = self._rig.clock.monotonic()
        if demand.coded:
            self._coded_until = now + LINGER
            if device.encoder is None:
                device.encode(self._sightings.coded)
        elif device.encoder is not None and now >= self._coded_until:
            self.hung = device.stop_encoding()
            if self.hung is not None:
                raise Broken(f"{self.what}: its H.264 encoder hangs")

    # ---- frames

    def _picture(self, seen: Seen) -> Frame | None:
        """The picture of a frame that the sensor gave, or None when it was only to be counted."""
        try:
            age = self._now() - seen.at / 1e9
            if age > OLD:
                return None
            moment = self._moment(seen.at, age)
            if seen.request is None:
                return None
            image = self._device.planes(seen.request, look=self._rig.demand.motion)
        finally:
            if seen.request is not None:
                self._sightings.done(seen.request)
        if self._jpeg and self._rig.demand.coded:
            return self._frame(moment, Kind.JPEG, image.jpeg(self._rig.quality, grey=self._rig.tone.grey))
        return replace(self._frame(moment, Kind.RAW, b""), image=image)

    def _moment(self, at: int, age: float) -> Moment:
        """Count a frame that was seen. Its time on our clock is even, since the offset is kept while it holds."""
        clock, stamp = self._rig.clock, self._rig.stamp
        now = clock.monotonic()
        offset = now - age - at / 1e9
        if self._offset is None or abs(offset - self._offset) > 0.01:
            self._offset = offset
        self._seen = now
        mono = at / 1e9 + self._offset
        moment = Moment(stamp.next, mono, stamp.wall(mono))
        stamp.skip()
        self._moments[int(at / 1000)] = moment
        if len(self._moments) > 256:
            self._moments.popitem(last=False)
        return moment

    def _coded(self, packet: Packet) -> Frame | None:
        """The coded frame, with number and times of the frame that it was made of; None when that was no news."""
        moment, age = self._moments.pop(packet.at, None), self._now() - packet.at / 1e6
        if packet.at <= self._coded_at or (moment is None and age > OLD):
            return None  # an encoder may be some frames late, but the sensor's frame was news when it came
        self._coded_at = packet.at
        moment = moment or self._moment(packet.at * 1000, age)
        frame = self._frame(moment, Kind.H264, packet.data)
        if packet.keyframe:
            sets = nal.parameter_sets(Kind.H264, nal.units(frame))
            self._extradata = nal.joined(sets) or self._extradata
        return replace(
            frame,
            keyframe=packet.keyframe,
            pts=packet.at,
            dts=packet.at,
            time_base=MICROS,
            extradata=self._extradata,
        )

    def _frame(self, moment: Moment, kind: Kind, data: bytes) -> Frame:
        camera, size = self._rig.stamp.camera, self._device.size
        return Frame(camera, moment.number, moment.mono, moment.wall, kind, data, *size)

    def close(self) -> None:
        """Let go of the camera. What hangs meanwhile is in `hung`, and keeps the next life from trying in vain."""
        for request in self._sightings.drain():
            with suppress(Exception):
                request.release()
        turn = _opening.acquire(timeout=STEP)
        try:
            self.hung = self._device.close() or self.hung
        finally:
            if turn:
                _opening.release()
        name = self._rig.stamp.camera
        if _holders.get(name) is current_thread():
            del _holders[name]
            if self.hung is not None and self.hung.is_alive():
                _holders[name] = self.hung
        if self._sightings.dropped:
            log.warning("%s: %d coded frames were lost: this computer was too busy", name, self._sightings.dropped)


class Picamera:
    """The source. Its pictures are pixels (`Kind.RAW`), H.264 beside them while it is wanted; with `video.codec: mjpeg`
    JPEGs while those are.
    """

    def __init__(self, config: model.Picamera2Source, rig: Rig) -> None:
        self._rig = rig
        self._reader = PiReader(config, rig)
        self._capture = CaptureThread[Frame](self._reader, rig.stamp.camera, rig.lost, grace=GRACE)

    def describe(self) -> str:
        return self._reader.what

    async def frames(self) -> AsyncGenerator[Frame, None]:
        try:
            async with aclosing(self._capture.items()) as frames:
                async for frame in frames:
                    yield frame
        except Held as held:
            self._rig.lost.add(held.thread)  # each life that finds it still hanging counts: the third ends the process
            raise

    async def close(self) -> None:
        self._reader.leave()
        await self._capture.close()
        hung, self._reader.hung = self._reader.hung, None
        if hung is not None and hung.is_alive():
            self._rig.lost.add(hung)
            log.error("%s: %s hangs in its library and was given up", self._rig.stamp.camera, self._reader.what)
