"""`edgecam test camera ID`: opens the configured source as the daemon would, and tells what comes.

The first frame has as long as the daemon would give it; then a few seconds are measured.
"""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import asdict, dataclass

from edgecam import aside, log
from edgecam.camera import Rate
from edgecam.clock import Clock, SystemClock
from edgecam.config.model import Camera, Config
from edgecam.config.secret import REDACTED
from edgecam.events import Bus
from edgecam.frame import Frame, Kind, Sound, Stamp
from edgecam.hub import Want
from edgecam.settings import Settings
from edgecam.sources import Finished, Rig, Source, Tone, open_source
from edgecam.supervisor import Trouble, reason

MEASURED = 3.0
"""Seconds of frames that tell the rate."""
LONGEST = 12.0
"""Seconds in which a video camera may show its second keyframe."""


class Failed(Exception):
    """The trial ended; the text says why and what to do."""


@dataclass(slots=True)
class Report:
    """What came. A field is None while nobody knows."""

    camera: str
    source: str
    failed: str | None = None
    """The step that failed."""
    problem: str | None = None
    kind: str | None = None
    size: str | None = None
    first_frame_after: float | None = None
    """Seconds from opening."""
    fps: float | None = None
    frames: int = 0
    keyframe_interval: float | None = None
    """Seconds; None for a camera each of whose frames is one."""
    sound: str | None = None
    jpeg_bytes: int | None = None


def main(config: Config, id: str, environ: Mapping[str, str], *, as_json: bool) -> int:
    """Returns the exit code: 0 when pictures come, 1 when not, 2 when there is no such camera."""
    camera = config.cameras.get(id)
    if camera is None:
        sys.stderr.write(f"edgecam test camera: there is no camera {id!r}; there are: {', '.join(config.cameras)}\n")
        return 2
    secrets = tuple(config.secrets())
    log.setup(config.log.level, "text", secrets, config.log.modules, environ=environ)
    clock = SystemClock()
    settings = Settings(config.cameras, config.state_path(environ) / "settings.json", Bus(), clock)
    if settings.on(id, "privacy"):
        report = Report(id, camera.source.type, "privacy", "privacy is on: the camera stays closed until it is off")
    else:
        report = asyncio.run(trial(id, camera, clock, secrets))
    sys.stdout.write(json.dumps(asdict(report), indent=2) if as_json else "\n".join(told(report)))
    sys.stdout.write("\n")
    return 1 if report.failed else 0


async def trial(id: str, camera: Camera, clock: Clock, secrets: Iterable[str] = ()) -> Report:
    """One life of the camera's source; none of the `secrets` is in the report. Raises nothing.

    Takes its warm-up, its stall time-out and LONGEST at most.
    """
    rig = Rig(
        Stamp(id, clock),
        clock,
        quality=camera.image.quality,
        looks=camera.motion.fps,
        video=camera.video,
        tone=Tone(camera.image.grey, varies=camera.image.day_night is not None),
        audio=camera.audio,
    )
    for why in (Want.VIEWER, Want.RECORD):
        rig.demand[why] += 1
    report = Report(id, camera.source.type)
    source: Source | None = None
    try:
        report.failed = "opening"
        source = open_source(camera.source, rig)
        report.source = source.describe()
        await _watch(source, camera, clock, report)
    except Exception as error:  # whatever a camera library raises is what is asked for here
        report.problem = _safe(_words(error), secrets)
    else:
        report.failed = None
    finally:
        if source is not None:
            await source.close()
    return report


def _words(error: Exception) -> str:
    known = isinstance(error, Trouble | Failed | Finished | OSError)
    return reason(error) if known else f"{type(error).__name__}: {error}"


def _safe(text: str, secrets: Iterable[str]) -> str:
    """Libraries quote addresses in their errors."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, REDACTED)
    return text


async def _watch(source: Source, camera: Camera, clock: Clock, report: Report) -> None:
    """Fills the report; `report.failed` is the step that is being tried."""
    seen, began, patience = _Seen(report), clock.monotonic(), camera.source.stall_timeout
    async with aclosing(source.frames()) as frames:
        while seen.first is None or clock.monotonic() - seen.first < seen.wanted:
            limit = patience + (camera.source.warmup if seen.first is None else 0)
            try:
                item = await _next(frames, clock, limit)
            except TimeoutError:
                raise Failed(_silence(seen.first is not None, limit)) from None
            except (StopAsyncIteration, Finished):
                if seen.picture is None:
                    raise Failed("the stream ended before there was a picture") from None
                break
            if isinstance(item, Sound):
                report.sound = f"AAC, {item.rate} Hz, {item.channels} channel{'s' if item.channels != 1 else ''}"
                continue
            if seen.first is None:
                seen.first = clock.monotonic()
                report.first_frame_after, report.failed = round(seen.first - began, 2), "making a picture"
            seen.count(item)
            if item.is_view and seen.picture is None:
                seen.picture = item
                report.jpeg_bytes = await _jpeg(item, camera)
                report.failed = "measuring"
    if seen.picture is None:
        raise Failed("frames come, but none of them could be made a picture that people can see")
    report.fps = round(seen.rate.fps(clock.monotonic()), 1) or None


async def _next(frames: AsyncGenerator[Frame | Sound, None], clock: Clock, limit: float) -> Frame | Sound:
    """Raises TimeoutError after `limit` seconds, with nothing left running in `frames`."""
    arriving = asyncio.ensure_future(anext(frames))
    try:
        return await aside.within(clock, limit, arriving)
    except TimeoutError:
        await asyncio.wait({arriving}, timeout=MEASURED)
        raise


def _silence(begun: bool, limit: float) -> str:
    if begun:
        return f"frames came, then none for {limit:g} s"
    return f"no frame came within {limit:g} s (source.stall_timeout and warmup)"


class _Seen:
    """The frames of the trial so far."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self.rate = Rate()
        self.first: float | None = None
        """When the first one came (monotonic)."""
        self.picture: Frame | None = None
        """The first that people can see."""
        self._number = 0
        self._keyframes: list[float] = []

    @property
    def wanted(self) -> float:
        """How long (s) to watch: longer while a picture or the second keyframe of a video camera is awaited."""
        waits = self.picture is None or (self._report.kind in ("h264", "hevc") and len(self._keyframes) < 2)
        return LONGEST if waits else MEASURED

    def count(self, frame: Frame) -> None:
        report = self._report
        if frame.is_coded or report.kind is None:
            report.kind, report.size = frame.kind.value, f"{frame.width}x{frame.height}"
        if frame.number > self._number:
            self._number = frame.number
            self.rate.beat(frame.number, frame.mono)
            report.frames += 1
            if frame.kind in (Kind.H264, Kind.HEVC) and frame.keyframe:
                self._keyframes.append(frame.mono)
        if len(self._keyframes) > 1:
            span = self._keyframes[-1] - self._keyframes[0]
            report.keyframe_interval = round(span / (len(self._keyframes) - 1), 2)


async def _jpeg(frame: Frame, camera: Camera) -> int:
    """Size of the picture as people get it."""
    if frame.image is None:
        return len(frame.data)
    make: Callable[[int], bytes] = frame.image.jpeg
    return len(await aside.run(make, camera.image.quality))


def told(report: Report) -> Iterator[str]:
    """The report for people."""
    yield f"{report.camera}: {report.source}"
    lines = {
        "first frame": report.first_frame_after is not None and f"{report.first_frame_after:g} s after opening",
        "frames": report.kind and f"{_KINDS.get(report.kind, report.kind)}, {report.size}",
        "rate": f"{report.fps:g} frames/s" if report.fps else report.frames and "too few frames to tell",
        "keyframes": report.keyframe_interval and f"every {report.keyframe_interval:g} s",
        "sound": report.first_frame_after is not None and (report.sound or "none"),
        "picture": report.jpeg_bytes and f"a JPEG of {report.jpeg_bytes / 1000:.0f} kB",
    }
    for name, text in lines.items():
        if text:
            yield f"  {name + ':':<13}{text}"
    yield f"FAILED at {report.failed}: {report.problem}" if report.failed else "ok"


_KINDS = {"jpeg": "JPEG", "h264": "H.264", "hevc": "H.265", "raw": "uncompressed"}
