"""A film over HTTP: whole, in a byte range, or its head (RFC 9110, section 14). Its pieces are made beside the loop.

A slow client costs one piece of memory and no thread; one that hangs up ends the work.
"""

import logging
import re
import threading
from collections.abc import Generator, Iterator, Mapping
from typing import NamedTuple

from aiohttp import web

from edgecam import aside
from edgecam.control import Film
from edgecam.web.answers import Refused, refusal

log = logging.getLogger(__name__)

AT_ONCE = 1 << 18
"""Bytes that are gathered before they are sent."""

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


async def send(request: web.Request, film: Film, headers: Mapping[str, str]) -> web.StreamResponse:
    """Answer with the part of `film` that is asked for."""
    mark = await aside.run(_mark, film)
    etag = f'"{mark}"'
    told = {**headers, "ETag": etag, "Accept-Ranges": "bytes", "Content-Type": "video/mp4"}
    if any(known.value in (mark, "*") for known in request.if_none_match or ()):
        return web.Response(status=304, headers=told)
    span = wanted(request.headers.get("Range"), request.headers.get("If-Range"), etag, film.size)
    if span is None:
        answer = refusal(Refused(416, "range", f"the film has {film.size} bytes"))
        answer.headers["Content-Range"] = f"bytes */{film.size}"
        return answer
    response = web.StreamResponse(status=206 if span.partial else 200, headers=told)
    if span.partial:
        response.headers["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{film.size}"
    response.content_length = span.stop - span.start
    await response.prepare(request)
    if request.method != "HEAD":
        await _pour(request, response, film.pieces(span.start, span.stop))
    return response


def _mark(film: Film) -> str:
    """The same for the same bytes. Blocking: a long film has many samples."""
    return film.etag


async def _pour(request: web.Request, response: web.StreamResponse, pieces: Iterator[bytes]) -> None:
    tap = Tap(pieces)
    try:
        while data := await aside.run(tap.draw):
            await response.write(data)
    except TornFilm as torn:
        log.warning("http: %s ends early: %s", request.path, torn)
        if request.transport is not None:
            request.transport.abort()  # the promised length cannot be kept, and the client must see that
    finally:
        aside.start(tap.close)


class TornFilm(Exception):
    """A recording went, or cannot be read, while the film was sent."""


class Tap:
    """Draws from a blocking iterator. Any thread; one draws, the others wait."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._lock = pieces, threading.Lock()

    def draw(self) -> bytes:
        """The next AT_ONCE bytes or a little more; empty at the end. Raises TornFilm."""
        with self._lock:
            data = bytearray()
            try:
                while len(data) < AT_ONCE and (piece := next(self._pieces, b"")):
                    data += piece
            except OSError as error:
                raise TornFilm(error.strerror or str(error)) from error
            return bytes(data)

    def close(self) -> None:
        """Let go of the files that are open."""
        with self._lock:
            if isinstance(self._pieces, Generator):
                self._pieces.close()


def is_seek(asked: str | None) -> bool:
    """Whether a Range header goes on with a film that was begun before."""
    match = _RANGE.fullmatch(asked.strip()) if asked else None
    return match is not None and match[1] != "0"


class Span(NamedTuple):
    """The bytes from `start` up to `stop`."""

    start: int
    stop: int
    partial: bool


def wanted(asked: str | None, if_range: str | None, etag: str, size: int) -> Span | None:
    """What a request's headers ask for; None for what lies behind the end. What is no single range is the whole."""
    whole = Span(0, size, partial=False)
    match = _RANGE.fullmatch(asked.strip()) if asked else None
    if match is None or match[0] == "bytes=-" or (if_range is not None and if_range.strip() != etag):
        return whole
    first, last = match[1], match[2]
    if not first:
        return Span(max(0, size - int(last)), size, partial=True) if int(last) else None
    if last and int(last) < int(first):
        return whole
    start, stop = int(first), min(size, int(last) + 1 if last else size)
    return Span(start, stop, partial=True) if start < size else None
