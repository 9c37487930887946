"""Mender: what is told of finished media is made anew from the media itself, where somebody or the disk lost it.

A name says camera, kind and beginning, the bytes say the rest; so the object key and the hashes are those of before,
and a store that has it already knows it again. Media is moved, never changed and never deleted.
"""

import threading
from collections.abc import Callable
from pathlib import Path

from edgecam import durable
from edgecam.control import Mended
from edgecam.digest import digest
from edgecam.media import MediaId, MediaKind, Picture, Sidecar
from edgecam.record.boxes import NotPlayable
from edgecam.record.disk.library import Library, media_of, shown
from edgecam.record.disk.recovery import drop_without_media

_OF_PICTURE = {"width", "height", "size", "sha256", "md5"}
NOTE = "made anew from the media: what was told of it was lost"


class Mender:
    """Blocking; any thread, one thing after the other. Raises OSError, Away among them.

    `wanted` says whether a store takes a piece of media. What this process is busy with is left alone.
    """

    def __init__(self, library: Library, wanted: Callable[[MediaId], bool]) -> None:
        self._library, self._layout, self._wanted = library, library.layout, wanted
        self._turn = threading.Lock()

    def mend(self, id: MediaId) -> Mended:
        """See that a piece of media has its sidecar, and waits for the store unless that has it.

        Of the picture of an event nobody knows whether it is stored: it waits as long as its clip does.
        """
        with self._turn:
            self._library.check()
            durable.make_folder(self._layout.wait)
            there = self._layout.media(id).exists()
            if id.text in self._library.busy and not (there and id.beside):  # the picture is finished before its clip
                return Mended()
            if not there:
                dropped = self._layout.marker(id).exists() and drop_without_media(self._library, id)
                return Mended("its marker is dropped" if dropped else None)
            try:
                return Mended("; ".join(self._picture(id) if id.beside else self._media(id)) or None)
            except NotPlayable as error:
                return Mended(None, f"{error}, so nothing can be made anew from it")
            except FileNotFoundError:  # deleted meanwhile
                return Mended()

    def _media(self, id: MediaId) -> list[str]:
        """What was done for a clip, or for a picture that has a sidecar. Raises NotPlayable."""
        done, known = [], self._known(id)
        if known is None:
            known = self._anew(id)
            self._write(id, known)
            done.append("its sidecar is made anew from the media")
        if known.unsent and self._wanted(id) and not self._layout.marker(id).exists():
            self._wait(id)
            done.append("it waits for the store again")
        if id.kind is MediaKind.EVENT and self._layout.media(id.picture).exists():
            done += [f"its picture: {what}" for what in self._picture(id.picture)]
        return done

    def _picture(self, id: MediaId) -> list[str]:
        """What was done for the picture of an event."""
        if self._known(id) is not None or not self._wanted(id):
            return []
        lost = self._layout.marker(id).exists()
        clip = self._known(MediaId.parse(id.text))
        if not lost and (clip is None or not clip.unsent):
            return []
        known = as_its_clip_tells(clip) if clip else None
        self._write(id, known or describe(self._layout.media(id), id))
        return ["its marker is made anew" if lost else "it waits for the store again"]

    def _known(self, id: MediaId) -> Sidecar | None:
        """What is told of it, if that can be read and is about it."""
        known = self._library.sidecar(id)
        return known if known and (known.id, known.codec == "jpeg") == (id.text, id.still) else None

    def _anew(self, id: MediaId) -> Sidecar:
        """The sidecar, as far as it can be known. Raises NotPlayable."""
        facts, picture = describe(self._layout.media(id), id), id.picture
        if id.kind is not MediaKind.EVENT or not self._layout.media(picture).exists():
            return facts
        try:
            best = self._known(picture) or describe(self._layout.media(picture), picture)
        except NotPlayable:
            return facts
        told = Picture(time=best.start, **best.model_dump(include=_OF_PICTURE))
        return facts.model_copy(update={"event_id": best.event_id, "picture": told})

    def _write(self, id: MediaId, facts: Sidecar) -> None:
        """Put it where what is told of the media lies. Raises FileNotFoundError when that is gone meanwhile."""
        with self._library.names:
            self._layout.media(id).stat()
            durable.write(self._layout.sidecar(id), facts.dump())

    def _wait(self, id: MediaId) -> None:
        with self._library.names:
            self._layout.media(id).stat()
            durable.touch(self._layout.marker(id))

    def bring_back(self, name: str) -> Mended:
        """Bring media of `spool/bad` back to its place, and have it wait for the store: the store refused it, or what
        was told of it was lost. What is not what was recorded stays there.
        """
        with self._turn:
            self._library.check()
            id, here = media_of(name), self._layout.bad / name
            if id is None:
                return Mended(None, "it was never finished" if ".part." in name else "its name is not one of ours")
            if self._layout.media(id).exists():
                return Mended(None, "the library has another file of that name")
            told = here.with_name(f"{here.name}.json") if id.beside else here.with_suffix(".json")
            try:
                facts = self._told(told, here, id)
            except FileNotFoundError:
                return Mended()
            except NotPlayable as error:
                return Mended(None, str(error))
            self._enter(id, facts, here)
            durable.remove(told)
            return Mended("it is back in its place" + (" and waits for the store" if self._wanted(id) else ""))

    def _told(self, told: Path, here: Path, id: MediaId) -> Sidecar:
        """What was told of media that was set aside, or what it tells itself. Raises NotPlayable."""
        try:
            facts = Sidecar.model_validate_json(told.read_bytes())
        except (FileNotFoundError, ValueError):
            return describe(here, id)
        with here.open("rb") as file:
            if digest(file) != (facts.size, facts.md5, facts.sha256):
                raise NotPlayable("it is not what was recorded: its hash differs")
        return facts.model_copy(update={"note": None, "receipt": None})

    def _enter(self, id: MediaId, facts: Sidecar, here: Path) -> None:
        """As `Library.finish` does it: the name comes last."""
        with self._library.names:
            durable.make_folder(self._layout.folder(id))
            if not id.beside:
                durable.write(self._layout.sidecar(id), facts.dump())
            if self._wanted(id):
                durable.write(self._layout.marker(id), facts.dump() if id.beside else b"")
            durable.rename(here, self._layout.media(id))
        self._library.touched.add(self._layout.folder(id))


def as_its_clip_tells(clip: Sidecar) -> Sidecar | None:
    """What the marker of an event's picture says, where the clip's sidecar knows it."""
    if clip.picture is None:
        return None
    at = clip.picture.time
    fixed = {"start": at, "end": at, "duration": 0.0, "codec": "jpeg", "picture": None, "note": None, "receipt": None}
    return clip.model_copy(update=clip.picture.model_dump(include=_OF_PICTURE) | fixed)


def describe(path: Path, id: MediaId) -> Sidecar:
    """What the bytes at `path` and their name tell. Raises OSError, NotPlayable."""
    with path.open("rb") as file:
        video = shown(file, still=id.still)
        size, md5, sha256 = digest(file)
    return Sidecar.unknown(id, size).model_copy(
        update={
            "end": id.start + video.duration,
            "duration": round(video.duration, 3),
            "codec": video.codec,
            "width": video.width,
            "height": video.height,
            "sha256": sha256,
            "md5": md5,
            "note": NOTE,
        }
    )
