"""Saver: keeps what was seen already, out of the buffer, the files that are being written and those that are finished.

Nothing is coded anew; the buffer's frames are muxed in memory and join the rest like one more file.
"""

import asyncio
import io
import logging
from collections.abc import Mapping, Sequence

from edgecam import aside, durable
from edgecam.clock import Clock
from edgecam.config import model
from edgecam.control import NothingRecorded, Saved, Unavailable
from edgecam.frame import Frame, Sound
from edgecam.hub import FrameHub
from edgecam.media import MediaKind
from edgecam.record import boxes
from edgecam.record.cut import archive
from edgecam.record.cut.reel import Film, NothingThere, Recording, cut
from edgecam.record.disk.library import Library
from edgecam.record.draft import Draft, born
from edgecam.record.mp4 import Mp4
from edgecam.record.plan import coding, tone
from edgecam.record.tape import Submit
from edgecam.record.writer import create

log = logging.getLogger(__name__)

NEAR = 0.5
"""Seconds by which a clip may begin otherwise than asked without a word."""


class Saver:
    """Loop thread only; one clip of a camera at a time. Raises Unavailable with the reason."""

    def __init__(
        self,
        *,
        hubs: Mapping[str, FrameHub],
        video: Mapping[str, model.Video],
        library: Library,
        finisher: Submit,
        clock: Clock,
    ) -> None:
        self._hubs, self._video, self._library, self._finisher, self._clock = hubs, video, library, finisher, clock
        self._turns = {id: asyncio.Lock() for id in hubs}

    async def save_clip(self, camera: str, last: float) -> Saved:
        """Keep the last seconds, up to the newest frame, as a clip of kind manual, though who asked may hang up."""
        saving = asyncio.create_task(self._save_clip(camera, last), name=f"{camera} manual")
        saving.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may be left to be told
        return await asyncio.shield(saving)

    async def _save_clip(self, camera: str, last: float) -> Saved:
        async with self._turns[camera]:
            if self._library.full:
                raise Unavailable(self._library.full)
            hub = self._hubs[camera]
            now, wall = self._clock.monotonic(), self._clock.wall()
            frames = hub.ring.since(now - last)
            sounds = hub.heard(frames[0].mono) if frames else []
            try:
                draft, film = await aside.run(self._save, camera, frames, sounds, wall - last, wall)
                if frames and not hub.remembers(frames[-1]):
                    await aside.run(self._library.discard, draft)
                    raise Unavailable("privacy is on")
            except NothingThere:
                raise Unavailable("there is nothing to save yet: no frame was seen or recorded in that time") from None
            except OSError as error:
                raise Unavailable(f"the clip cannot be written: {error.strerror}") from None
            self._finisher.submit(draft)
            log.info("%s: saves the last %.0f s as %s", camera, film.end - film.begin, draft.id)
            return Saved(draft.id, film.begin, film.end, _note(film, wall - last))

    async def export(self, camera: str, begin: float, end: float) -> Film:
        """What was recorded between two moments (unix seconds), as one film."""
        try:
            return await aside.run(self._cut, camera, [], begin, end)
        except NothingThere:
            raise NothingRecorded("nothing was recorded then") from None
        except OSError as error:
            raise Unavailable(f"the recordings cannot be read: {error.strerror}") from None

    # -- blocking ---------------------------------------------------------------------------------------------------

    def _cut(self, camera: str, first: list[Recording], begin: float, end: float) -> Film:
        found = archive.recordings(self._library, camera, begin, end)
        return cut([*first, *found], begin, end, leading=bool(first))

    def _save(
        self, camera: str, frames: Sequence[Frame], sounds: Sequence[Sound], begin: float, end: float
    ) -> tuple[Draft, Film]:
        tail = []
        if frames:
            frames, sounds = _alike(frames, sounds)
            start = frames[-1].wall - frames[-1].mono + frames[0].mono  # by the clock of now: it may have been set
            tail.append(Recording(start, _muxed(frames, sounds)))
        film = self._cut(camera, tail, begin, end)
        birth = self._library.births(film.begin, self._clock.monotonic() - (self._clock.wall() - film.begin))
        draft = born(birth, birth.id(camera, MediaKind.MANUAL), "manual")
        try:
            part = self._library.begin(draft)
            with create(part) as file:
                film.write(file)
                durable.flush(file)
            with part.open("rb") as file:
                is_jpeg = boxes.read(file).codec == "mjpeg"
            draft = draft.but(complete=True, encode=is_jpeg and self._video[camera].codec != "mjpeg")
            self._library.update(draft)
        except BaseException:
            self._library.discard(draft)
            raise
        return draft, film


def _alike(frames: Sequence[Frame], sounds: Sequence[Sound]) -> tuple[Sequence[Frame], Sequence[Sound]]:
    """The newest frames that fit into one file, and the sound that begins with them or later."""
    first = len(frames)
    while first and coding(frames[first - 1]) == coding(frames[-1]):
        first -= 1
    frames = frames[first:]
    return frames, [one for one in sounds if one.mono >= frames[0].mono and tone(one) == tone(sounds[-1])]


def _muxed(frames: Sequence[Frame], sounds: Sequence[Sound]) -> bytes:
    """The buffer as a file."""
    file = io.BytesIO()
    mp4 = Mp4(file, frames[0], sounds[0] if sounds else None)
    heard = 0
    for frame in frames:
        while heard < len(sounds) and sounds[heard].mono < frame.mono:
            mp4.hear(sounds[heard])
            heard += 1
        mp4.write(frame)
    mp4.close()
    return file.getvalue()


def _note(film: Film, begin: float) -> str | None:
    """What is otherwise than asked."""
    said = []
    if film.begin > begin + NEAR:
        said.append(f"begins {film.begin - begin:.1f} s later than asked: what lies before was not kept")
    elif film.begin < begin - NEAR:
        said.append(f"begins {begin - film.begin:.1f} s earlier than asked, at a keyframe")
    if missing := sum(until - since for since, until in film.gaps if film.begin < until < film.end):
        said.append(f"{missing:.1f} s in between are missing")
    return "; ".join(said) or None
