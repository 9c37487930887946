"""A USB camera where there is none: a file of the same codec, opened through the same door and read by the same code.

Only FFmpeg's V4L2 demuxer itself is not run: all that is ours, and FFmpeg from the packets on, is.
"""

from collections.abc import Mapping
from pathlib import Path

import av
import pytest
from av.container import InputContainer

from edgecam.sources import v4l2
from edgecam.sources.v4l2 import Options
from video import write_video

FRAMES = 39


def plug_in(monkeypatch: pytest.MonkeyPatch, device: Path, others: Mapping[str, Path] | None = None) -> Path:
    """The device becomes a camera that offers MJPEG, or what `others` says: format (`""` for pixels) to file."""
    if others is None:
        write_video(device, FRAMES)
    else:
        device.touch()
    offered = others if others is not None else {"mjpeg": device}

    def capture(path: str, options: Options, limit: float) -> InputContainer:
        if not Path(path).exists():
            av.error.err_check(-2, path)
        format = options.get("input_format", "")
        if format not in offered:  # the driver says so like this
            av.error.err_check(-22, path)
        return av.open(str(offered[format]), container_options={"fflags": options["fflags"]}, timeout=(limit, None))

    monkeypatch.setattr(v4l2, "capture", capture)
    return device
