"""Real little video files for tests."""

from pathlib import Path

import av
import numpy as np


def write_video(
    path: Path,
    frames: int,
    *,
    codec: str = "mjpeg",
    rate: int = 50,
    size: tuple[int, int] = (64, 48),
    keyframes: int = 12,
    smooth: bool = False,
    pixels: str = "",
    live: bool = False,
) -> Path:
    """Noise, or with `smooth` a gradient that moves; the container follows the path's suffix, the format `pixels`.

    With `live` each frame is coded at once, as cameras do: no B-frames, even groups.
    """
    width, height = size
    noise = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = size
        stream.pix_fmt = pixels or ("yuvj420p" if codec == "mjpeg" else "yuv420p")
        if live:
            fixed = f"keyint={keyframes}:min-keyint={keyframes}:scenecut=0"
            stream.options = {"tune": "zerolatency", f"{codec[3:]}-params": f"{fixed}:bframes=0"}
        stream.gop_size = keyframes
        for number in range(frames):
            picture = noise.integers(0, 256, (height, width, 3), np.uint8)
            if smooth:
                picture[:] = np.linspace(10 * number, 200, width, dtype=np.uint8)[None, :, None]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path
