"""A process that records, to be killed. `python recording_child.py film|finish FOLDER …`, see test_recording.py."""

import asyncio
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

from clips import h264, jpeg, jpegs
from edgecam.clock import SystemClock
from edgecam.config import model
from edgecam.events import Bus, MotionPicture, MotionStarted
from edgecam.frame import Frame
from edgecam.health import CameraStatus
from edgecam.hub import FrameHub, Ring
from edgecam.media import Layout, MediaId, MediaKind
from edgecam.record.coding.encoder import Coding
from edgecam.record.coding.transcode import transcode
from edgecam.record.coding.transcoder import Transcoder
from edgecam.record.disk.library import Library
from edgecam.record.disk.recovery import CODED, Recovered
from edgecam.record.draft import Draft
from edgecam.record.finisher import Finisher
from edgecam.record.mp4 import Mp4
from edgecam.record.recorder import Recorder
from edgecam.settings import Settings
from sounds import sounds

FRAMES = 150
FPS = 15
PACE = 0.001
"""Real seconds until the disk is asked again whether it took the last frame: time is as fast as the disk here."""


class Studio:
    """One camera with its recorder, in files without end and clips of a motion that never ends."""

    def __init__(self, id: str, codec: str, shared: "Shared") -> None:
        self.id, self.status = id, CameraStatus(id)
        self.hub = FrameHub(id, Ring(3.0))
        record = {"mode": "both", "event": {"pre": "1s", "post": "1s", "max": "2s"}, "continuous": {"segment": "2s"}}
        self.camera = model.Camera.model_validate({"source": "synthetic", "video": {"codec": codec}, "record": record})
        self.recorder = Recorder(
            id=id,
            config=self.camera.record,
            video=self.camera.video,
            hub=self.hub,
            bus=shared.bus,
            settings=Settings({id: self.camera}, shared.library.layout.root / f"{id}.json", shared.bus, shared.clock),
            status=self.status,
            library=shared.library,
            finisher=shared.finisher,
            clock=shared.clock,
        )
        self._bus = shared.bus

    def show(self, frame: Frame) -> None:
        self.status.last_motion_mono = frame.mono
        self.hub.publish(frame)
        if frame.number == 0:
            seen = {"mono": frame.mono, "score": 9, "area": 1.0, "box": (0.0, 0.0, 1.0, 1.0)}
            self._bus.publish(MotionStarted(camera=self.id, at=frame.wall, event_id=self.id, **seen))  # type: ignore[arg-type]
        if frame.number % 7 == 0:
            best = {"jpeg": jpeg(frame.number), "width": 320, "height": 240, "score": 9, "final": False}
            self._bus.publish(MotionPicture(camera=self.id, at=frame.wall, event_id=self.id, **best))  # type: ignore[arg-type]

    @property
    def busy(self) -> bool:
        """The disk has not taken all frames, or several files are still being closed."""
        tapes = self.recorder._tapes
        return self.recorder.backlog > 0 or any(len(tape._tasks) > 2 for tape in tapes)


class Shared:
    """What the cameras of one house share."""

    def __init__(self, folder: Path, codec: str) -> None:
        self.library = Library(Layout(folder), wanted=lambda _: True)
        self.library.open()
        self.clock, self.bus = SystemClock(), Bus()
        self.finisher = Finisher(
            library=self.library,
            transcoder=Transcoder(self.clock),
            video={"cam": model.Video.model_validate({"codec": codec})},
            bus=self.bus,
            clock=self.clock,
            recovered=Recovered(),
        )


async def film(folder: Path, codec: str) -> None:
    """`cam` gives JPEG and sound, `eye` H.264; prints the number of each frame that both have handed over."""
    shared = Shared(folder, codec)
    cam, eye = studios = [Studio("cam", codec, shared), Studio("eye", "auto", shared)]
    rooms = [asyncio.create_task(room.run()) for room in (shared.finisher, cam.recorder, eye.recorder)]
    await asyncio.sleep(0)
    heard = list(sounds(1.0 + FRAMES / FPS, mono=999.0))
    for pair in zip(jpegs(FRAMES, fps=FPS), h264(FRAMES, fps=FPS, gop=FPS), strict=True):
        while heard and heard[0].mono + 0.1 < pair[0].mono:
            cam.hub.hear(heard.pop(0))
        for studio, frame in zip(studios, pair, strict=True):
            studio.show(replace(frame, camera=studio.id))
        print(pair[0].number, flush=True)  # noqa: T201  (the test reads it)
        await asyncio.sleep(PACE)
        while cam.busy or eye.busy:
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
    frames = h264(40) if source in ("h264", "best") else jpegs(40)
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
    if source == "best":
        shown = {"at": frames[9].wall, "jpeg": jpeg(9), "width": 320, "height": 240, "score": 9, "final": True}
        draft, _ = library.save_best(draft, MotionPicture(camera="cam", event_id="e", **shown))  # type: ignore[arg-type]
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
