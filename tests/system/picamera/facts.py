"""What the stand-in of the tests (tests/picam.py) says of picamera2, asked of the real one. Runs in the root."""

import gc
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import libcamera
import numpy as np
from picamera2 import MappedArray, Picamera2
from picamera2.encoders import H264Encoder, LibavH264Encoder
from picamera2.outputs import Output

UNPLUGGED = Path("/rig/unplugged")


def opened() -> Any:
    camera = Picamera2(0)
    camera.configure(
        camera.create_video_configuration(
            main={"size": (640, 360), "format": "YUV420"},
            lores={"size": (320, 180), "format": "YUV420"},
            raw=None,
            sensor={},
            transform=libcamera.Transform(),
            colour_space=libcamera.ColorSpace.Smpte170m(),
            buffer_count=4,
            display=None,
        )
    )
    return camera


def raised(call: Callable[[], object]) -> str:
    try:
        call()
    except (Exception, CancelledError) as error:
        return f"{type(error).__name__}: {error}"
    return "nothing"


def within(seconds: float, call: Callable[[], object]) -> bool:
    """Whether it returned or raised in time."""
    thread = threading.Thread(target=raised, args=(call,), daemon=True)
    thread.start()
    thread.join(seconds)
    return not thread.is_alive()


class Packets(Output):  # type: ignore[misc]
    def __init__(self, fails: bool = False) -> None:
        super().__init__()
        self.fails = fails
        self.found: list[tuple[bytes, bool, int]] = []

    def outputframe(self, frame: bytes, keyframe=True, timestamp=None, packet=None, audio=False) -> None:  # type: ignore[no-untyped-def]
        if self.fails:
            raise OSError("disk full")
        self.found.append((bytes(frame[:5]), keyframe, timestamp))


def until(true: Callable[[], object], seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


failed = 0


def fact(name: str, true: object, told: object = "") -> None:
    global failed
    failed += not true
    print("ok   " if true else "FAIL ", name, f"({told})" if told != "" else "", flush=True)


def controls(camera: Any) -> None:
    told = raised(lambda: camera.set_controls({"AfMode": 2}))
    fact("a control that is not advertised is refused at once", told.startswith("RuntimeError"), told)
    low, high, default = camera.camera_controls["FrameDurationLimits"]
    fact(
        "a control has least, most and default value",
        isinstance(low, int) and isinstance(high, int),
        (low, high, default),
    )


def frames(camera: Any) -> None:
    seen: list[Any] = []

    def look(request: Any) -> None:
        if len(seen) < 1:
            request.acquire()
            seen.append(request)

    camera.pre_callback = look
    camera.start()
    fact("a callback sees each frame, on the camera's thread, and may keep it", until(lambda: seen))
    request = seen[0]
    at = request.get_metadata()["SensorTimestamp"]
    age = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - at
    fact("SensorTimestamp is nanoseconds since boot", isinstance(at, int) and 0 <= age < 3e9, f"{age / 1e6:.0f} ms ago")
    told = camera.camera_configuration()["main"]
    with MappedArray(request, "main", reshape=False, write=False) as mapped:
        length = mapped.array.size
        fact(
            "a stream is one row of bytes",
            mapped.array.dtype == np.uint8 and length >= told["stride"] * 360 * 3 // 2,
            told,
        )
    request.release()
    camera.pre_callback = None


def encoders(camera: Any) -> None:
    times: list[int] = []
    camera.pre_callback = lambda request: times.append(int(request.get_metadata()["SensorTimestamp"] / 1000))
    encoder, packets = LibavH264Encoder(bitrate=500_000, repeat=True, iperiod=5, framerate=30), Packets()
    camera.start_encoder(encoder, packets, name="main")
    until(lambda: len(packets.found) > 20)
    first = encoder.firsttimestamp
    camera.stop_encoder(encoder)
    camera.pre_callback = None
    keys = [at for at, (_, key, _) in enumerate(packets.found) if key]
    fact("keyframes come as often as asked", keys[:3] == [0, 5, 10], keys)
    sets = all(head[4] & 0x1F == 7 for head, key, _ in packets.found if key)
    fact("each of them begins with its parameter sets", sets)
    matched = [first + at in times for _, _, at in packets.found]
    fact(
        "a packet has its frame's time, from the encoder's first one on",
        all(matched),
        f"{sum(matched)} of {len(matched)}",
    )
    told = raised(lambda: camera.start_encoder(broken, Packets(), name="main")) if (broken := H264Encoder()) else ""
    fact("without /dev/video11 the hardware encoder fails", told.startswith("FileNotFoundError"), told)
    fact("and believes that it runs", broken.running)


def loss(camera: Any) -> None:
    UNPLUGGED.touch()
    time.sleep(0.5)
    count = camera.frames
    stale = 0
    told = ""
    for _ in range(4):
        told = raised(lambda: camera.capture_request(wait=0.3).release())
        if told != "nothing":
            break
        stale += 1
    fact("frames cease silently, and the last one is served once more", stale == 1 and camera.frames == count, stale)
    fact("a capture times out", told.startswith("TimeoutError"), told)
    fact("stop waits behind it", not within(1.0, camera.stop))
    camera.cancel_all_and_flush()
    fact("until it is cancelled", within(2.0, camera.stop))
    fact("and the camera closes", within(2.0, camera.close))
    UNPLUGGED.unlink()


def gives(camera: Any) -> bool:
    return until(lambda: camera.frames > 3)


def revived() -> Any:
    """A camera that gives frames. The virtual one sometimes needs a second start after a camera was lost."""
    for _ in range(3):
        gc.collect()
        camera = opened()
        camera.start()
        if gives(camera):
            break
        within(3.0, camera.close)
    return camera


def death() -> None:
    camera = revived()
    thread = camera._preview.thread
    encoder = LibavH264Encoder(bitrate=500_000)
    camera.start_encoder(encoder, Packets(fails=True), name="main")
    fact("an Output that raises ends the camera's thread", until(lambda: not thread.is_alive()))
    fact("which does not keep it from being closed", within(3.0, camera.close))
    del camera, encoder
    camera = revived()
    fact("and opened again in the same process", camera.frames > 3)
    told = raised(lambda: Picamera2(0))
    fact("twice at a time it is not", told != "nothing", told)
    camera.close()


def main() -> int:
    camera = opened()
    controls(camera)
    frames(camera)
    encoders(camera)
    loss(camera)
    del camera
    death()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
