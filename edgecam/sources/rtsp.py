"""A network camera that speaks RTSP: its H.264 or H.265 passes undecoded, pictures are made on demand.

With `detect_url` a second, smaller stream of the same camera is what motion looks at.
"""

import asyncio
import ipaddress
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from urllib.parse import quote, unquote, urlsplit

import av
from av.container import InputContainer

from edgecam.config import model
from edgecam.frame import Frame, Sound, Stamp, Use
from edgecam.sources import Broken, Rig
from edgecam.sources.substream import SubStream
from edgecam.sources.threaded import CaptureThread
from edgecam.sources.tracks import Decoding, Role, codec_of
from edgecam.sources.video import VideoReader

OF_PATIENCE = 0.8
"""Of `stall_timeout`, for each answer and each packet: the thread is back before the life is cut."""
LONGEST_OPEN = 10.0
LONGEST_SILENCE = 30.0
"""Seconds, whatever `stall_timeout` says."""
AT_ONCE = {"probesize": "32", "analyzeduration": "0"}
"""The camera's description of its stream (RFC 4566) usually says all; looking at the stream itself takes a second."""


class Link:
    """One stream's address, how to reach it, and what went wrong in words that show no secret."""

    def __init__(self, url: model.Url, key: str, config: model.RtspSource, rig: Rig) -> None:
        """`key` is where the address stands in the configuration."""
        self._url, self._key, self._config, self._clock = url, key, config, rig.clock
        self._media = "video+audio" if rig.audio else "video"
        self._silence = min(OF_PATIENCE * config.stall_timeout, LONGEST_SILENCE)
        self._asked = 0.0  # when it was last opened (monotonic)

    @property
    def where(self) -> str:
        return self._url.safe

    async def find(self) -> None:
        """Resolve the host's name before a capture thread has to: FFmpeg would wait for that without bound.

        Raises Broken.
        """
        host = self._url.host
        if _is_number(host):
            return
        try:
            async with asyncio.timeout(self._silence):
                await asyncio.get_running_loop().getaddrinfo(host, None)
        except TimeoutError:
            raise Broken(f"no name server says where {host} is; check the network, or write its number") from None
        except OSError as error:
            raise Broken(f"cannot find {host}: {error.strerror}; check the address in {self._key}") from None

    def connect(self) -> InputContainer:
        """Raises what PyAV raises, and Broken when there is no video."""
        container = self._open(AT_ONCE)
        if _is_vague(container):
            container.close()
            container = self._open({"fpsprobesize": "0"})
        if not container.streams.video:
            container.close()
            raise Broken(f"{self.where} gives no video; check the path in {self._key}")
        return container

    def _open(self, options: dict[str, str]) -> InputContainer:
        options = {"rtsp_transport": self._config.transport, "allowed_media_types": self._media, **options}
        self._asked = self._clock.monotonic()
        times = min(self._silence, LONGEST_OPEN), self._silence
        return av.open(address(self._url.reveal()), "r", format="rtsp", options=options, timeout=times)

    def explain(self, error: Exception) -> str:
        where, key = self.where, self._key
        match error:
            case av.error.HTTPUnauthorizedError():
                return f"{where} refuses the user name or password (401); check the user and password in {key}"
            case av.error.HTTPForbiddenError():
                return f"{where} forbids the access (403); check the rights of the user in {key}"
            case av.error.HTTPNotFoundError():
                return f"{where} has nothing at this address (404); check the path in {key}"
            case ConnectionRefusedError():
                return f"cannot reach {where}: Connection refused; check that the camera is on and serves RTSP there"
            case av.error.ExitError() | TimeoutError():
                return self._silent()
            case av.error.InvalidDataError():
                if self._clock.monotonic() - self._asked >= 0.9 * min(self._silence, LONGEST_OPEN):
                    return self._silent()  # FFmpeg's word for an answer that broke off at the time-out, too
                return f"{where} does not answer in RTSP; check the port in {key}"
            case av.error.FFmpegError():
                return f"cannot reach {where}: {error.strerror or type(error).__name__}; check the address in {key}"
        return f"{where}: {type(error).__name__}"

    def _silent(self) -> str:
        return f"{self.where} is silent for {self._silence:.1f} s; check the camera and the network to it"


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _is_vague(container: InputContainer) -> bool:
    """Whether the camera's description leaves out what a frame needs: its size."""
    video = container.streams.video
    return not video or (codec_of(video[0]) in ("h264", "hevc") and not video[0].codec_context.width)


def address(url: str) -> str:
    """As FFmpeg reads it: name and password percent-encoded, whether they were written so or not."""
    parts = urlsplit(url)
    login, at, host = parts.netloc.rpartition("@")
    name, colon, password = login.partition(":")
    safe = quote(unquote(name), safe="") + colon + quote(unquote(password), safe="")
    return parts._replace(netloc=safe + at + host).geturl()


class Rtsp:
    """Every coded frame; pictures while somebody wants them; sound where the camera's configuration asks for it."""

    def __init__(self, config: model.RtspSource, rig: Rig) -> None:
        self._link, self._role = Link(config.url, "source.url", config, rig), Role()
        self._main = _capture(self._link, rig, self._role, config.decode)
        self._sub: SubStream | None = None
        if config.detect_url is not None:
            looking = replace(rig, stamp=Stamp(rig.stamp.camera, rig.clock), audio=None)
            link = Link(config.detect_url, "source.detect_url", config, looking)
            capture = partial(_capture, link, looking, Role(Use.MOTION), "full")
            self._sub = SubStream(link.find, capture, self._role, rig, link.where)

    def describe(self) -> str:
        return self._link.where

    async def frames(self) -> AsyncGenerator[Frame | Sound, None]:
        await self._link.find()
        async with aclosing(self._main.items()) as items:
            async for item in items:
                yield item
                if self._sub is not None and isinstance(item, Frame) and (look := self._sub.look(item)):
                    yield look
        raise Broken(f"{self._link.where} ended the stream")

    async def close(self) -> None:
        if self._sub is not None:
            await self._sub.close()
        await self._main.close()


def _capture(link: Link, rig: Rig, role: Role, decoding: Decoding) -> CaptureThread[Frame | Sound]:
    reader = VideoReader(rig, link.connect, link.explain, role=role, decoding=decoding)
    return CaptureThread(reader, rig.stamp.camera, rig.lost)
