"""A process that records, to be killed. `python recording_child.py film|finish FOLDER …`, see test_recording.py."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from clips import h264, jpegs
from edgecam.clock import SystemClock
from edgecam.config import model
from edgecam.events import Bus, MotionStarted
from edgecam.frame import Frame
from edgecam.health import CameraStatus
from edgecam.hub import FrameHub, Ring
from edgecam.media import Layout, MediaId, MediaKind
from edgecam.record.draft import Draft
from edgecam.record.encoder import Coding
from edgecam.record.finisher import Finisher
from edgecam.record.library import Library
from edgecam.record.mp4 import Mp4
from edgecam.record.recorder import Recorder
from edgecam.record.recovery import CODED, Recovered
from edgecam.record.transcode import transcode
from edgecam.record.transcoder import Transcoder
from edgecam.settings import Settings
from sounds import sounds

FRAMES = 250
FPS = 15
PACE = 0.001
"""Real seconds until the disk is asked again whether it took the last frame: time is as fast as the disk here."""


async def film(folder: Path, codec: str) -> None:
    """Endless motion, in parts of two seconds; prints the number of each frame that was handed over."""
    library = Library(Layout(folder), wanted=lambda _: True)
    library.open()
    clock, bus, status = SystemClock(), Bus(), CameraStatus("Cam")
    camera = model.Camera.model_validate({"source": "synthetic", "video": {"codec": codec}})
    record = model.Record.model_validate({"event": {"pre": "1s", "post": "1s", "max": "2s"}})
    hub = FrameHub("cam", Ring(3.0))
    finisher = Finisher(
        library=library,
        transcoder=Transcoder(clock),
        video={"cam": camera.video},
        bus=bus,
        clock=clock,
        recovered=Recovered(),
    )
    recorder = Recorder(
        id="cam",
        config=record,
        video=camera.video,
        hub=hub,
        bus=bus,
        settings=Settings({"cam": camera}, folder / "settings.json", bus, clock),
        status=status,
        library=library,
        finisher=finisher,
        clock=clock,
    )
    rooms = [asyncio.create_task(room.run()) for room in (finisher, recorder)]
    await asyncio.sleep(0)
    heard = list(sounds(1.0 + FRAMES / FPS, mono=999.0))
    for frame in jpegs(FRAMES, fps=FPS):
        while heard and heard[0].mono + 0.1 < frame.mono:
            hub.hear(heard.pop(0))
        status.last_motion_mono = frame.mono
        hub.publish(frame)
        if frame.number == 0:
            seen = {"mono": frame.mono, "score": 9, "area": 1.0, "box": (0.0, 0.0, 1.0, 1.0)}
            bus.publish(MotionStarted(camera="cam", at=frame.wall, event_id="e", **seen))  # type: ignore[arg-type]
        print(frame.number, flush=True)  # noqa: T201  (the test reads it)
        await asyncio.sleep(PACE)
        while recorder.backlog:
            await asyncio.sleep(PACE)
    await asyncio.wait(rooms)


def finish(folder: Path, source: str, step: str, times: int) -> None:
    """Take one thing through the library and die at the `times`-th `step`, as hard as a process can."""
    left = times

    def die(name: str) -> None:
        nonlocal left
        left -= name == step
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    library = Library(Layout(folder), wanted=lambda _: True, step=die)
    library.open()
    if source == "picture":
        library.save_picture(jpegs(1)[0], "manual")
        return
    frames = h264(40) if source == "h264" else jpegs(40)
    id = MediaId.new(frames[0].wall, "cam", MediaKind.EVENT)
    draft = Draft(id=id.text, start=frames[0].wall, cause="motion", event_id="e", encode=source == "jpeg")
    part = library.begin(draft)
    with part.open("wb", buffering=0) as file:
        heard = sounds(40 / FPS)
        mp4 = Mp4(file, frames[0], heard[0])
        for item in sorted([*frames, *heard], key=lambda item: item.mono):
            if isinstance(item, Frame):
                mp4.write(item)
            else:
                mp4.hear(item)
        mp4.close()
    if source == "torn":
        os.truncate(part, part.stat().st_size - 500)
    draft = draft.but(complete=True, interrupted=source == "torn")
    library.update(draft)
    library.step("complete")
    if draft.encode:
        coded = library.layout.open / (id.text + CODED)
        transcode(part, coded, Coding(500_000, None, 1.0))
        library.step("coded")
        draft = library.replace(draft, coded)
    library.finish(draft)


if __name__ == "__main__":
    what, where, *rest = sys.argv[1:]
    if what == "film":
        asyncio.run(film(Path(where), rest[0]))
    else:
        finish(Path(where), rest[0], rest[1], int(rest[2]))
