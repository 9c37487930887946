"""Library: finished media on disk as plain files, and the few durable steps by which media becomes finished.

At every moment a crash leaves either a draft in `spool/open`, from which `recovery` goes on, or finished media with its
sidecar, and with its marker where a store wants it (architecture, Disk, invariant 1).
"""

import contextlib
import fcntl
import io
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from edgecam import durable, jpeg
from edgecam.digest import digest
from edgecam.events import MotionPicture
from edgecam.frame import Frame
from edgecam.media import Layout, MediaId, MediaKind, Sidecar
from edgecam.record import boxes
from edgecam.record.draft import Draft
from edgecam.supervisor import Fatal

_PROBE = 1 << 18
"""Bytes that tell whether the disk takes any."""


class Library:
    """Everything below `storage.path`. Blocking; any thread. One process at a time.

    `wanted` says whether a store takes a piece of media; `step` is told of each durable step (tests crash there).
    """

    def __init__(
        self, layout: Layout, *, wanted: Callable[[MediaId], bool], step: Callable[[str], None] = lambda _: None
    ) -> None:
        self.layout = layout
        self._wanted, self.step = wanted, step
        self._lock: BinaryIO | None = None
        self.full: str | None = None
        """Why nothing new may be written, in words; the keeper's to set."""
        self.names = threading.RLock()
        """Held while names appear in or vanish from day folders, so that an emptied folder can be removed."""

    def open(self) -> None:
        """Make the folders and claim the place. Raises Fatal when it is not writable or somebody else's."""
        try:
            for folder in (self.layout.open, self.layout.wait, self.layout.bad, *self.layout.rooms):
                durable.make_folder(folder)
            self._lock = _claim(self.layout.lock)
        except OSError as error:
            place = error.filename or self.layout.root
            raise Fatal(f"storage: {place} cannot be made or written ({error.strerror}); check storage.path") from None

    def close(self) -> None:
        """Give the place free."""
        if self._lock:
            self._lock.close()
            self._lock = None

    def probe(self) -> None:
        """Raises OSError while the disk cannot take what a clip begins with."""
        path = self.layout.open / "probe.tmp"
        path.write_bytes(bytes(_PROBE))
        durable.sync(path)
        path.unlink()

    # -- media in the making ------------------------------------------------------------------------------------

    def begin(self, draft: Draft) -> Path:
        """Make a draft durable; returns where its media is to be written."""
        self.update(draft)
        self.step("draft")
        return self.layout.part(draft.media)

    def update(self, draft: Draft) -> None:
        """Replace the draft of the same id."""
        durable.write(self.layout.draft(draft.media), draft.dump())

    def discard(self, draft: Draft) -> None:
        """Forget media that holds no picture: whatever there is of it goes, its draft last; finished media stays."""
        id = draft.media
        with self.names:
            durable.remove(self.layout.part(id))
            if not self.layout.media(id).exists():
                durable.remove(self.layout.sidecar(id))
                durable.remove(self.layout.marker(id))
            durable.remove(self.layout.draft(id))

    def replace(self, draft: Draft, coded: Path) -> Draft:
        """Put the verified H.264 file `coded` in the place of the JPEG video."""
        coded.chmod(durable.FILE_MODE)
        durable.sync(coded)
        durable.rename(coded, self.layout.part(draft.media))
        self.step("replaced")
        return draft.but(encode=False)

    def cut(self, draft: Draft) -> None:
        """Cut interrupted media to its last whole fragment. Raises OSError, NotPlayable."""
        if draft.interrupted:
            with self.layout.part(draft.media).open("r+b") as file:
                file.truncate(boxes.read(file).end)
            self.step("cut")

    def finish(self, draft: Draft) -> Sidecar:
        """Turn complete media into finished media. May be repeated after a crash at any step.

        Raises OSError, and NotPlayable when there is no whole picture in it.
        """
        id = draft.media
        self.cut(draft)
        sidecar = self._describe(draft)
        with self.names:
            durable.make_folder(self.layout.folder(id))
            durable.write(self.layout.sidecar(id), sidecar.dump())
            self.step("sidecar")
            if self._wanted(id):
                durable.touch(self.layout.marker(id))
                self.step("marker")
            durable.rename(self.layout.part(id), self.layout.media(id))
            self.step("named")
        durable.remove(self.layout.draft(id))
        self.step("finished")
        return sidecar

    def _describe(self, draft: Draft) -> Sidecar:
        """Make the media durable and read from it what the draft does not know."""
        id = draft.media
        with self.layout.part(id).open("rb") as file:
            video = _picture(file) if id.still else boxes.read(file)
            os.fdatasync(file.fileno())
            self.step("synced")
            size, md5, sha256 = digest(file)
        return Sidecar(
            id=id.text,
            camera=id.camera,
            kind=id.kind,
            event_id=draft.event_id,
            part=draft.part,
            start=draft.start,
            end=draft.start + video.duration if draft.end is None else draft.end,
            clock=draft.clock,
            duration=round(video.duration, 3),
            codec=video.codec,
            width=video.width,
            height=video.height,
            size=size,
            sha256=sha256,
            md5=md5,
            cause=draft.cause,
            zones=draft.zones,
            score=draft.score,
            interrupted=draft.interrupted,
            note=draft.note,
            picture=draft.picture,
        )

    def save_picture(self, frame: Frame, cause: str, kind: MediaKind = MediaKind.SNAPSHOT) -> Sidecar:
        """Keep one JPEG frame as a picture of this kind. Raises OSError."""
        id = MediaId.new(frame.wall, frame.camera, kind, still=True)
        draft = Draft(id=id.name, start=frame.wall, cause=cause, complete=True)
        try:
            self.begin(draft).write_bytes(frame.data)
            return self.finish(draft)
        except OSError:
            with contextlib.suppress(OSError):
                self.discard(draft)
            raise

    def save_best(self, clip: Draft, best: MotionPicture) -> Sidecar:
        """Keep the best picture of an event beside its clip, before that one is finished. Raises OSError."""
        id = clip.media.picture
        size, md5, sha256 = digest(io.BytesIO(best.jpeg))
        facts = Sidecar(
            id=clip.id,
            camera=id.camera,
            kind=id.kind,
            event_id=clip.event_id,
            part=clip.part,
            start=best.at,
            end=best.at,
            clock=clip.clock,
            duration=0.0,
            codec="jpeg",
            width=best.width,
            height=best.height,
            size=size,
            sha256=sha256,
            md5=md5,
            cause=clip.cause,
            zones=clip.zones,
            score=best.score,
        )
        part = self.layout.open / f"{id.name}.tmp"
        try:
            with durable.create(part) as file:
                file.write(best.jpeg)
                durable.flush(file)
            self.step("picture")
            with self.names:
                durable.make_folder(self.layout.folder(id))
                if self._wanted(id):
                    durable.write(self.layout.marker(id), facts.dump())
                    self.step("picture marker")
                durable.rename(part, self.layout.media(id))
                self.step("picture named")
        except OSError:
            with contextlib.suppress(OSError):
                durable.remove(part)
                durable.remove(self.layout.marker(id))
            raise
        return facts

    def remove(self, id: MediaId) -> None:
        """Delete finished media, its sidecar and its marker; a crash in between leaves no media behind a marker."""
        with self.names:
            for path in (self.layout.media(id), self.layout.media(id.picture), self.layout.sidecar(id)):
                path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # not empty, usually
                self.layout.folder(id).rmdir()
        for marker in (self.layout.marker(id), self.layout.marker(id.picture)):
            marker.unlink(missing_ok=True)

    # -- finished media -----------------------------------------------------------------------------------------

    def find(self, text: str) -> Path | None:
        """The file of a finished `MediaId.name`; None for anything else, so that text from a network may be asked."""
        try:
            path = self.layout.media(MediaId.parse(text))
        except ValueError:
            return None
        return path if path.is_file() else None

    def sidecar(self, id: MediaId) -> Sidecar | None:
        """All that is known of it; None when it is not here or cannot be read."""
        try:
            return Sidecar.model_validate_json(self.layout.sidecar(id).read_bytes())
        except (OSError, ValueError):
            return None

    def days(self, camera: str) -> set[str]:
        """The UTC days (`YYYY-MM-DD`) of a camera that have a folder; a stranger's folder may be among them."""
        return {day for room in self.layout.rooms for day in _listed(room / camera)}

    def files(self, camera: str, day: str) -> list[str]:
        """All file names in the folders of a camera's UTC day, in no order: media, sidecars, pins and strangers."""
        return [name for room in self.layout.rooms for name in _listed(room / camera / day)]

    def list(self, camera: str, day: str) -> list[MediaId]:
        """Finished media of a camera that began on that UTC day (`YYYY-MM-DD`), oldest first. Reads names only."""
        found = (media_of(name) for name in self.files(camera, day))
        return sorted((id for id in found if id and id.camera == camera), key=lambda id: id.name)


def _listed(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208  (half a million Path objects)
    except (FileNotFoundError, NotADirectoryError):
        return []


def media_of(name: str) -> MediaId | None:
    """The id of a finished media file's name; None for a sidecar or a stranger."""
    stem, _, suffix = name.rpartition(".")
    if suffix not in ("mp4", "jpg"):
        return None
    try:
        id = MediaId.parse(name if suffix == "jpg" else stem)
    except ValueError:
        return None
    return id if id.suffix == "." + suffix else None


def _claim(path: Path) -> BinaryIO:
    """Lock `path` for this process and write its number there. Raises Fatal when another one holds it."""
    file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, durable.FILE_MODE), "r+b", buffering=0)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = file.read(20).decode("ascii", "replace").strip() or "unknown"
        file.close()
        raise Fatal(
            f"storage: {path.parent} is in use by another edgecam (process {holder}); "
            "stop it, or give this one another storage.path"
        ) from None
    except BaseException:
        file.close()
        raise
    file.truncate(0)
    file.write(f"{os.getpid()}\n".encode())
    return file


def _picture(file: BinaryIO) -> boxes.Video:
    """A whole JPEG; raises NotPlayable."""
    data = file.read()
    try:
        width, height = jpeg.size(data)
    except jpeg.BadJpeg as error:
        raise boxes.NotPlayable(f"the picture {error}") from None
    return boxes.Video("jpeg", width, height, frames=1, duration=0.0, end=len(data))
