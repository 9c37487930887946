"""What a V4L2 device offers: formats, sizes and rates, asked through linuxpy, which is optional.

Asking a device that streams elsewhere is allowed and disturbs nobody.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from edgecam.finding import Mode, Offer

if TYPE_CHECKING:
    from linuxpy.video.device import Device

PIP = "pip install 'edgecam[v4l2]'"

USUAL_SIZES = ((640, 480), (800, 600), (1280, 720), (1280, 960), (1920, 1080), (2560, 1440), (3840, 2160))
"""Of devices that make any size between two limits."""


def ask(path: str) -> Offer:
    """Opens the device. Blocks as long as its driver does.

    Raises ImportError without linuxpy, OSError when the device cannot be opened or does not answer.
    """
    from linuxpy.video.device import Device

    with Device(path) as device:
        try:
            return offer(device)
        except (ValueError, KeyError) as error:  # a driver newer than linuxpy
            raise OSError(0, f"linuxpy does not understand its answer ({error})") from error


def offer(device: "Device") -> Offer:
    """What an open device says."""
    from linuxpy.video.device import BufferType, Capability

    if Capability.VIDEO_CAPTURE not in device.info.device_capabilities:
        return Offer(False, {})
    formats = {}
    for format in device.info.buffer_formats(BufferType.VIDEO_CAPTURE):
        modes = {
            (mode.width, mode.height): mode for mode in _modes(device, format.pixel_format)
        }  # some say the same size twice
        formats[format.pixel_format.human_str().strip()] = tuple(modes[size] for size in sorted(modes))
    return Offer(bool(formats), formats)


def _modes(device: "Device", pixel_format: int) -> Iterator[Mode]:
    from linuxpy.video.device import FrameSizeType

    for size in device.info.format_frame_sizes(pixel_format):
        if size.type == FrameSizeType.DISCRETE:
            sizes = [(int(size.info.width), int(size.info.height))]
        else:
            low, high = (size.info.min_width, size.info.min_height), (size.info.max_width, size.info.max_height)
            sizes = [(w, h) for w, h in USUAL_SIZES if low[0] <= w <= high[0] and low[1] <= h <= high[1]]
        for width, height in sizes:
            intervals = device.info.fps_intervals(pixel_format, width, height)
            rates = {round(float(rate), 3) for one in intervals for rate in (one.min_fps, one.max_fps) if rate}
            yield Mode(width, height, tuple(sorted(rates)))
