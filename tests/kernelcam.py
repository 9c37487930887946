"""A V4L2 driver as far as linuxpy asks one: the real linuxpy runs on it, only the kernel behind `ioctl` is ours.

Layouts and error numbers are the kernel's (videodev2.h; V4L2 API, "ioctl VIDIOC_QUERY_EXT_CTRL" and neighbours).
"""

import ctypes
import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from linuxpy.video import raw
from linuxpy.video.device import Capability, ControlFlag, ControlType, FrameIntervalType, FrameSizeType, PixelFormat

Rates = tuple[int, ...]
Sizes = Mapping[tuple[int, int], Rates]


@dataclass
class Knob:
    """One control."""

    name: str
    type: ControlType
    minimum: int = 0
    maximum: int = 255
    value: int = 0
    menu: Mapping[int, str] = field(default_factory=dict)
    inactive: bool = False


@dataclass
class KernelCam:
    """One device: what it is, offers and can be told."""

    formats: Mapping[PixelFormat, Sizes] = field(
        default_factory=lambda: {
            PixelFormat.MJPEG: {(640, 480): (30, 15), (1280, 720): (30, 15), (1920, 1080): (30, 5)},
            PixelFormat.YUYV: {(640, 480): (30, 15)},
        }
    )
    knobs: Mapping[int, Knob] = field(default_factory=dict)
    """By the control's number."""
    capabilities: Capability = Capability.VIDEO_CAPTURE | Capability.STREAMING

    def answer(self, request: raw.IOC, told: Any) -> None:
        """Fills the structure as the kernel would; raises OSError as it would."""
        if request is raw.IOC.QUERYCAP:
            told.driver, told.card, told.device_caps = b"uvcvideo", b"HD Webcam", self.capabilities
        elif request is raw.IOC.ENUM_FMT:
            told.pixelformat = self._nth(list(self.formats), told.index)
        elif request is raw.IOC.ENUM_FRAMESIZES:
            told.type = FrameSizeType.DISCRETE
            size = self._nth(list(self.formats[PixelFormat(told.pixel_format)]), told.index)
            told.m1.discrete.width, told.m1.discrete.height = size
        elif request is raw.IOC.ENUM_FRAMEINTERVALS:
            told.type = FrameIntervalType.DISCRETE
            rates = self.formats[PixelFormat(told.pixel_format)][told.width, told.height]
            told.m1.discrete.numerator, told.m1.discrete.denominator = 1, self._nth(rates, told.index)
        elif request is raw.IOC.QUERY_EXT_CTRL:
            self._describe(told)
        elif request is raw.IOC.QUERYMENU:
            told.m1.name = self._nth_of(self.knobs[told.id].menu, told.index).encode()
        elif request is raw.IOC.S_EXT_CTRLS:
            self._set(told)
        elif request is raw.IOC.G_EXT_CTRLS:
            told.controls[0].value = self.knobs[told.controls[0].id].value
        else:
            raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))

    def _describe(self, told: Any) -> None:
        after = told.id & ~int(ControlFlag.NEXT_CTRL | ControlFlag.NEXT_COMPOUND)
        number = self._nth([one for one in sorted(self.knobs) if one > after], 0)
        knob = self.knobs[number]
        told.id, told.type, told.name = number, knob.type, knob.name.encode()
        told.flags = ControlFlag.INACTIVE if knob.inactive else 0
        told.minimum, told.maximum, told.step, told.default_value = knob.minimum, knob.maximum, 1, knob.minimum

    def _set(self, told: Any) -> None:
        number, value = told.controls[0].id, told.controls[0].value
        knob = self.knobs[number]
        if knob.inactive:
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))
        if not knob.minimum <= value <= knob.maximum:
            raise OSError(errno.ERANGE, os.strerror(errno.ERANGE))
        knob.value = value

    @staticmethod
    def _nth(things: Any, index: int) -> Any:
        if index >= len(things):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return things[index]

    @staticmethod
    def _nth_of(things: Mapping[int, str], index: int) -> str:
        if index not in things:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return things[index]


def plug_in(monkeypatch: pytest.MonkeyPatch, cameras: Mapping[Path, KernelCam]) -> None:
    """From now on linuxpy finds these devices behind these files."""

    def ioctl(device: Any, request: raw.IOC, *told: ctypes.Structure) -> object:
        path = Path(os.readlink(f"/proc/self/fd/{device.fileno()}"))  # noqa: PTH115
        if path not in cameras:
            raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))
        cameras[path].answer(request, *told)
        return told[0]

    monkeypatch.setattr("linuxpy.video.device.ioctl", ioctl)
