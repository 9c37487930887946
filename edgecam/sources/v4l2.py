"""A USB camera: its own JPEG or H.264 untouched, its pixels only when somebody asks, through FFmpeg's V4L2 reader.

Which of them, see `FORMATS`.
"""

import errno
import logging
import os
import select
import stat
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing
from pathlib import Path
from threading import Event
from typing import TypeVar, cast

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream

from edgecam.config import model
from edgecam.frame import Frame, Sound
from edgecam.sources import Broken, Rig, controls, is_retouched
from edgecam.sources.sieve import MOST_IN_A_ROW
from edgecam.sources.threaded import CaptureThread
from edgecam.sources.timeline import TICK, Timeline
from edgecam.sources.video import VideoReader

log = logging.getLogger(__name__)

OPENING = 0.3
"""Seconds in which FFmpeg looks at the first frame, and keeps a core busy until it comes. Nothing is lost without it:
whatever FFmpeg would learn, we have asked for or read ourselves.
"""
SLICE = 0.5
"""Seconds in which the thread notices that it is to end."""
NONBLOCKING = "+4"
"""AVFMT_FLAG_NONBLOCK, which has no name among FFmpeg's options. Without it a camera that falls silent keeps the thread
for ever, and with it the device.
"""
RAW = ""
FORMATS: Mapping[str, tuple[str, ...]] = {
    "auto": ("mjpeg", "h264", RAW),
    "h264": ("h264", "mjpeg", RAW),
    "mjpeg": ("mjpeg", RAW),
}
"""`video.codec` to the formats to try, in this order. MJPEG first: viewers get it as it is, motion reads it cheapest,
each frame stands alone; a camera's own H.264 has keyframes as far apart as it likes. Who wants it, asks for it.
"""

Options = dict[str, str]


def capture(device: str, options: Options, limit: float) -> InputContainer:
    """Where tests come in with another device. The options are the container's alone: a decoder would take the size
    that was asked for as the one that came.
    """
    return av.open(device, format="v4l2", container_options=options, timeout=(limit, None))


class V4l2:
    """Addresses the device by its path, links followed anew each time: plugged in again it may have another number."""

    def __init__(self, config: model.V4l2Source, rig: Rig) -> None:
        self._webcam = Webcam(config, rig)
        reader = VideoReader(
            rig, self._webcam.connect, self._webcam.explain, times=KernelTimes(), packets=self._webcam.packets
        )
        self._capture: CaptureThread[Frame | Sound] = CaptureThread(reader, rig.stamp.camera, rig.lost)
        self._where = str(config.device)

    def describe(self) -> str:
        return self._where

    async def frames(self) -> AsyncGenerator[Frame | Sound, None]:
        async with aclosing(self._capture.items()) as items:
            async for item in items:
                yield item
        raise Broken(f"{self._where} gives no more frames; was it unplugged?")

    async def close(self) -> None:
        self._webcam.leave.set()
        await self._capture.close()


class Webcam:
    """One life of the device; used by the capture thread. `leave` may be set from any."""

    def __init__(self, config: model.V4l2Source, rig: Rig) -> None:
        self._config, self._rig = config, rig
        self._device = Path(config.device)
        self._patience = 0.9 * config.stall_timeout  # to be told here, before the camera is declared stalled
        self.descriptor: int | None = None
        self._works = False
        self._newest = rig.clock.monotonic()  # the last frame, or that it was opened
        self.leave = Event()

    # ---- opening

    def connect(self) -> InputContainer:
        """Raises what PyAV raises, and Broken."""
        self._newest = self._rig.clock.monotonic()
        before = self._descriptors()
        container = self._capture()
        self.descriptor = next(iter(self._descriptors() - before), None)
        stream = container.streams.video[0]
        codec = stream.codec_context.name
        if codec == "h264" and is_retouched(self._config, self._rig):
            container.close()
            raise Broken(
                f"{self._device} gives H.264 only, which is passed on as it is: "
                "take rotate, hflip, vflip, grey and day_night away, or turn the camera itself"
            )
        self._tell_difference(stream, codec)
        for complaint in controls.apply(str(self._device), self._config.controls) if self._config.controls else ():
            self._once(complaint, logging.WARNING)
        return container

    def _capture(self) -> InputContainer:
        """In the first of the formats that the device has: it says so by EINVAL."""
        formats = FORMATS[self._rig.video.codec]
        if is_retouched(self._config, self._rig):
            formats = FORMATS["mjpeg"]
        options = {
            "video_size": str(self._config.size),
            "framerate": f"{self._config.fps:g}",
            "fflags": NONBLOCKING,
        }
        for format in formats[:-1]:
            try:
                return capture(str(self._device), {**options, "input_format": format}, OPENING)
            except av.error.ArgumentError:
                continue
        return capture(str(self._device), options, OPENING)

    def _tell_difference(self, stream: "av.VideoStream", codec: str) -> None:
        """What the device gives, once per camera; louder where that is not what was asked for."""
        config, rate = self._config, float(stream.average_rate or 0)
        asked = f"{config.size} at {config.fps:g}/s"
        size = f"{stream.codec_context.width}x{stream.codec_context.height}"
        gives = f"{size} at {rate or config.fps:.4g}/s"
        if size == str(config.size) and (not rate or abs(rate - config.fps) <= 0.02 * config.fps):
            self._once(f"gives {codec}, {gives}", logging.INFO)
        else:
            cure = "`edgecam cameras` lists what it has"
            self._once(f"asked for {asked}, the camera gives {codec}, {gives}; {cure}", logging.WARNING)

    def _once(self, text: str, level: int) -> None:
        if text not in self._rig.told:
            self._rig.told.add(text)
            log.log(level, "%s: %s", self._rig.stamp.camera, text)

    def _descriptors(self) -> set[int]:
        """Our open descriptors of the device, which PyAV does not tell."""
        try:
            device = self._device.stat()
            if not stat.S_ISCHR(device.st_mode):
                return set()
        except OSError:
            return set()
        found = set()
        for name in os.listdir("/proc/self/fd"):  # noqa: PTH208  (numbers, not paths)
            try:
                one = os.fstat(int(name))
            except OSError:  # the listing's own
                continue
            if stat.S_ISCHR(one.st_mode) and one.st_rdev == device.st_rdev:
                found.add(int(name))
        return found

    # ---- reading

    def packets(self, container: InputContainer, *streams: Stream) -> "Iterator[Packet[Stream]]":
        """As they come, until there is no more. Raises Broken when none comes for too long, and what PyAV raises."""
        clock, bad, demuxed = self._rig.clock, 0, container.demux(*streams)
        while not self.leave.is_set():
            try:
                packet = next(demuxed, None)
            except av.error.BlockingIOError:
                silent = 0.0 if self._wait() else clock.monotonic() - self._newest
                if silent >= self._patience:
                    raise Broken(f"no frame for {silent:.1f} s from {self._device}") from None
                demuxed = container.demux(*streams)
                continue
            except av.error.InvalidDataError:  # half a picture came over a bad cable
                bad += 1
                if bad > MOST_IN_A_ROW:
                    raise
                demuxed = container.demux(*streams)
                continue
            if packet is None:
                return
            self._newest, self._works = clock.monotonic(), True
            bad = 0 if packet.size else bad
            yield owned(packet)

    def _wait(self) -> bool:
        """Whether a frame came, or an error, within SLICE seconds."""
        if self.descriptor is None:
            self.leave.wait(0.01)
            return False
        poll = select.poll()
        poll.register(self.descriptor, select.POLLIN | select.POLLPRI)
        return bool(poll.poll(SLICE * 1000))

    # ---- words

    def explain(self, error: Exception) -> str:
        device, code = self._device, getattr(error, "errno", None)
        if isinstance(error, av.error.ExitError):
            return f"{device} takes too long to open; plug it in again"
        if self._works and code in (errno.ENODEV, errno.ENXIO, errno.EIO, errno.ENOENT, errno.EPROTO):
            return f"{device} was unplugged, or its USB port failed"
        if code in WORDS:
            return WORDS[code].format(device=device, size=self._config.size, fps=f"{self._config.fps:g}")
        return f"{device}: {getattr(error, 'strerror', None) or error}"


WORDS = {
    errno.ENOENT: "{device} is not there: is the camera plugged in? `edgecam cameras` lists what is",
    errno.ENODEV: "{device} gives no video: is it the right node of this camera? `edgecam cameras` lists those that do",
    errno.ENXIO: "{device} is not there: is the camera plugged in? `edgecam cameras` lists what is",
    errno.ENOTTY: "{device} is no camera; `edgecam cameras` lists those that are",
    errno.EACCES: "no permission to open {device}: add the user of edgecam to the group video "
    "(`sudo usermod -aG video USER`), then start it anew",
    errno.EPERM: "opening {device} is forbidden here: a container needs `--device {device}`",
    errno.EBUSY: "{device} is in use by another program, and only one can have it; `fuser -v {device}` shows which",
    errno.EINVAL: "{device} refuses {size} at {fps}/s; `edgecam cameras` lists what it has",
    errno.ENOSPC: "the USB port has no bandwidth left for {device} at {size}: set a smaller source.size or fps, or "
    "plug it into another port than the other cameras",
    errno.ENOMEM: "no memory for the buffers of {device} at {size}: set a smaller source.size",
    errno.EIO: "{device} does not answer; plug it in again",
}
"""What each error of the kernel means here, and the cure."""


P = TypeVar("P", bound=Stream)


def owned(packet: "Packet[P]") -> "Packet[P]":
    """Raw pixels lie in the driver's own memory, which is gone when the device closes, pictures or not: copied. What is
    coded is copied by whoever takes it.
    """
    if packet.stream.codec_context.name != "rawvideo" or not packet.size:
        return packet
    copy = cast("Packet[P]", av.Packet(bytes(packet)))
    copy.stream, copy.time_base = packet.stream, packet.time_base
    copy.pts, copy.dts = packet.pts, packet.dts
    return copy


class KernelTimes(Timeline):
    """Drivers stamp each frame with the monotonic clock as it is captured. One that uses another clock is mapped."""

    LATE = 2.0
    """Seconds that a frame may have waited for us."""

    def __init__(self) -> None:
        super().__init__()
        self._last = float("-inf")

    def __call__(self, own: float | None, arrival: float) -> float:
        true = own is not None and 0 <= arrival - own <= self.LATE
        mono = own if true and own is not None else super().__call__(own, arrival)
        self._last = max(mono, self._last + TICK)
        return self._last
