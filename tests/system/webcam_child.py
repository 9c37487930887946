"""A USB camera in a process of its own, which preloads the shim: tells each frame, and why there are no more.

DEVICE CODEC STALL_TIMEOUT, and demand as further words. One JSON object per line.
"""

import asyncio
import json
import signal
import sys
from contextlib import aclosing

from edgecam.clock import SystemClock
from edgecam.config import model
from edgecam.frame import Frame, Stamp
from edgecam.hub import Want
from edgecam.sources import Broken, Rig, open_source


def tell(**what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


async def main(device: str, codec: str, stall_timeout: str, *wants: str) -> None:
    config = model.V4l2Source.model_validate(
        {"type": "v4l2", "device": device, "size": "640x480", "fps": 15, "stall_timeout": float(stall_timeout)}
    )
    clock = SystemClock()
    rig = Rig(Stamp("birdbox", clock), clock, video=model.Video.model_validate({"codec": codec}))
    for want in wants:
        rig.demand[Want(want)] += 1
    source, last = open_source(config, rig), None
    try:
        async with aclosing(source.frames()) as frames:
            async for frame in frames:
                assert isinstance(frame, Frame)
                last = frame
                late = clock.monotonic() - frame.mono
                tell(kind=frame.kind, number=frame.number, size=[frame.width, frame.height], fresh=0 <= late < 1)
    except Broken as broken:
        tell(broken=str(broken))
    await source.close()
    if last is not None and last.image is not None:
        tell(jpeg=len(last.image.jpeg(80)))  # the device is closed and its memory gone
    tell(lost=rig.lost.count, told=sorted(rig.told))


signal.alarm(60)  # a thread that hangs is what some tests are about
asyncio.run(main(*sys.argv[1:]))
