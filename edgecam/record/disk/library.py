"""Library: finished media on disk as plain files, and the few durable steps by which media becomes finished.

At every moment a crash leaves either a draft in `spool/open`, from which `recovery` goes on, or finished media with its
sidecar, and with its marker where a store wants it (architecture, Disk, invariant 1).
"""

import contextlib
import errno
import io
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from operator import attrgetter
from pathlib import Path
from typing import BinaryIO

from edgecam import durable, jpeg
from edgecam.almanac import Births, trusted
from edgecam.digest import digest
from edgecam.events import MotionPicture
from edgecam.frame import Frame
from edgecam.media import Layout, MediaId, MediaKind, Picture, Sidecar, token
from edgecam.record import boxes
from edgecam.record.disk.lock import claim
from edgecam.record.disk.mount import mounted
from edgecam.record.draft import Draft, born
from edgecam.supervisor import Fatal

_PROBE = 1 << 18
"""Bytes that tell whether the disk takes any."""


class Away(OSError):
    """The storage is not there: nothing is mounted, or what was mounted is gone."""

    def __init__(self, why: str) -> None:
        super().__init__(errno.ENODEV, why)

    def __str__(self) -> str:
        return str(self.strerror)


class Library:
    """Everything below `storage.path`. Blocking; any thread. One process at a time.

    `wanted` says whether a store takes a piece of media; `step` is told of each durable step (tests crash there);
    `births` says what is called how that begins now, and `when` at which time of now (unix seconds) something began.
    `require_mount`: the path has to be a place where something is mounted. Nothing is ever made or written in another
    place than the one that was opened: its lock file, held open, is how it is known again.
    """

    def __init__(
        self,
        layout: Layout,
        *,
        wanted: Callable[[MediaId], bool],
        step: Callable[[str], None] = lambda _: None,
        require_mount: bool = False,
        births: Births = trusted,
        when: Callable[[MediaId], float] = attrgetter("start"),
    ) -> None:
        self.layout, self.births, self.when = layout, births, when
        self._wanted, self.step, self._require_mount = wanted, step, require_mount
        self._lock: BinaryIO | None = None
        self._over = False
        self.busy: set[str] = set()
        """Ids that this process is writing or finishing: recovery leaves them alone."""
        self.touched: set[Path] = set()
        """Day folders in which somebody but the keeper deleted something, for the keeper to count anew."""
        self.deleted: dict[MediaId, Sidecar | None] = {}
        """What a person deleted before a store had it, and what was known of it, for the keeper to tell."""
        self.untidy = False
        """Something half-made could not be removed from the spool: it is for recovery, once the disk works again."""
        self.full: str | None = None
        """Why nothing new may be written, in words; the keeper's to set."""
        self.names = threading.RLock()
        """Held while names appear in or vanish from day folders, so that an emptied folder can be removed."""

    def open(self) -> None:
        """Make the folders and claim the place; also anew, after it was away.

        Raises Fatal when it is not writable or somebody else's, Away while nothing is mounted where something must be.
        """
        self._release()
        if self._require_mount and not mounted(self.layout.root):
            raise Away(f"nothing is mounted at {self.layout.root} (storage.require_mount)")
        try:
            for folder in (self.layout.open, self.layout.wait, self.layout.bad, *self.layout.rooms):
                durable.make_folder(folder)
            self._lock = claim(self.layout.lock)
        except OSError as error:
            place = error.filename or self.layout.root
            raise Fatal(f"storage: {place} cannot be made or written ({error.strerror}); check storage.path") from None
        if self._over:
            self._release()
            raise Away(f"the storage {self.layout.root} was closed meanwhile")

    def close(self) -> None:
        """Give the place free for good, also when another thread is just opening it."""
        self._over = True
        self._release()

    def _release(self) -> None:
        if self._lock:
            self._lock.close()
            self._lock = None

    def check(self) -> None:
        """Raises Away unless the place is the one that was opened: a stick may be pulled, another one plugged in."""
        lock = self._lock
        try:
            same = lock is not None and os.path.samestat(os.fstat(lock.fileno()), self.layout.lock.stat())
        except (OSError, ValueError):  # ValueError: closed meanwhile
            same = False
        if not same:
            raise Away(f"the storage {self.layout.root} is gone")

    def probe(self) -> None:
        """Raises OSError while the disk cannot take what a clip begins with."""
        self.check()
        path = self.layout.open / f"probe-{token()}.tmp"  # several may try at once
        try:
            path.write_bytes(bytes(_PROBE))
            durable.sync(path)
        finally:
            path.unlink(missing_ok=True)

    # -- media in the making ------------------------------------------------------------------------------------

    def begin(self, draft: Draft) -> Path:
        """Make a draft durable; returns where its media is to be written."""
        self.busy.add(draft.media.text)
        self.update(draft)
        self.step("draft")
        return self.layout.part(draft.media)

    def update(self, draft: Draft) -> None:
        """Replace the draft of the same id."""
        self.check()
        durable.write(self.layout.draft(draft.media), draft.dump())

    def discard(self, draft: Draft) -> None:
        """Forget media that holds no picture: whatever there is of it goes, its draft last; finished media stays."""
        id = draft.media
        self.busy.discard(id.text)
        with self.names, self._tidying():
            durable.remove(self.layout.part(id))
            if not self.layout.media(id).exists():
                durable.remove(self.layout.sidecar(id))
                durable.remove(self.layout.marker(id))
            durable.remove(self.layout.draft(id))

    @contextlib.contextmanager
    def _tidying(self) -> Iterator[None]:
        try:
            yield
        except OSError:
            self.untidy = True
            raise

    def replace(self, draft: Draft, coded: Path) -> Draft:
        """Put the verified H.264 file `coded` in the place of the JPEG video."""
        durable.permit(coded)
        durable.sync(coded)
        durable.rename(coded, self.layout.part(draft.media))
        self.step("replaced")
        return draft.but(encode=False)

    def cut(self, draft: Draft) -> None:
        """Cut interrupted media to its last whole fragment. Raises OSError, NotPlayable.

        After an I/O error the disk may have less than memory remembers, and says so only once: the disk is read.
        """
        if draft.interrupted:
            with self.layout.part(draft.media).open("r+b") as file:
                os.fdatasync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
                file.truncate(boxes.read(file).end)
            self.step("cut")

    def finish(self, draft: Draft) -> Sidecar:
        """Turn complete media into finished media. May be repeated after a crash at any step.

        Raises OSError, and NotPlayable when there is no whole picture in it.
        """
        id = draft.media
        self.check()
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
        self.busy.discard(id.text)
        self.step("finished")
        return sidecar

    def _describe(self, draft: Draft) -> Sidecar:
        """Make the media durable and read from it what the draft does not know."""
        id = draft.media
        with self.layout.part(id).open("rb") as file:
            video = shown(file, still=id.still)
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
            boot=draft.boot,
            boottime=draft.boottime,
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
            motion=draft.motion,
            interrupted=draft.interrupted,
            note=draft.note,
            picture=draft.picture,
            wanted=self._wanted(id),
        )

    def save_picture(self, frame: Frame, cause: str, kind: MediaKind = MediaKind.SNAPSHOT) -> Sidecar:
        """Keep one JPEG frame as a picture of this kind. Raises OSError."""
        birth = self.births(frame.wall, frame.mono)
        draft = born(birth, birth.id(frame.camera, kind, still=True), cause).but(complete=True)
        try:
            with durable.create(self.begin(draft)) as file:
                file.write(frame.data)
            return self.finish(draft)
        except BaseException:
            with contextlib.suppress(OSError):
                self.discard(draft)
            raise

    def save_best(self, clip: Draft, best: MotionPicture) -> tuple[Draft, Sidecar]:
        """Keep the best picture of an event beside its clip, before that one is finished. Raises OSError.

        Returns the clip's draft, which knows of the picture before that has its name, and what is told of the picture.
        """
        id = clip.media.picture
        size, md5, sha256 = digest(io.BytesIO(best.jpeg))
        picture = Picture(time=best.at, width=best.width, height=best.height, size=size, sha256=sha256, md5=md5)
        facts = Sidecar(
            id=clip.id,
            camera=id.camera,
            kind=id.kind,
            event_id=clip.event_id,
            part=clip.part,
            start=best.at,
            end=best.at,
            clock=clip.clock,
            boot=clip.boot,
            boottime=clip.boottime and round(clip.boottime + best.at - clip.start, 3),
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
        self.check()
        try:
            with durable.create(part) as file:
                file.write(best.jpeg)
                durable.flush(file)
            self.step("picture")
            clip = clip.but(picture=picture)
            self.update(clip)
            self.step("picture told")
            with self.names:
                durable.make_folder(self.layout.folder(id))
                if self._wanted(id):
                    durable.write(self.layout.marker(id), facts.dump())
                    self.step("picture marker")
                durable.rename(part, self.layout.media(id))
                self.step("picture named")
        except OSError:
            with contextlib.suppress(OSError), self._tidying():
                durable.remove(part)
                durable.remove(self.layout.marker(id))
            raise
        return clip, facts

    def remove(self, id: MediaId) -> None:
        """Delete finished media because a person says so: kept or not, wanted by a store or not. Raises OSError."""
        told = {one: self.sidecar(one) for one in (id, id.picture) if self.layout.marker(one).exists()}
        self.drop(id)
        self.deleted |= told
        self.touched.add(self.layout.folder(id))

    def drop(self, id: MediaId) -> None:
        """Delete finished media with all that bears its id, its markers last: one that is left promises too much, and
        goes at the next start. Whether a store still wanted it is for the caller to know.
        """
        id = replace(id, still=False) if id.beside else id
        sidecar = self.layout.folder(id) / f"{id.text}.json"
        with self.names:
            for path in (
                self.layout.media(id),
                self.layout.media(id.picture),
                sidecar,
                sidecar.with_name(sidecar.name + ".tmp"),
                self.layout.pin(id),
            ):
                path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # not empty, usually
                self.layout.folder(id).rmdir()
        for one in (id, id.picture):
            for path in (self.layout.seal(one), self.layout.sealed(one), self.layout.marker(one)):
                path.unlink(missing_ok=True)

    def pin(self, id: MediaId, on: bool) -> None:
        """Keep finished media for ever, or no longer than its kind. Raises OSError, FileNotFoundError without media."""
        self.check()
        pin = self.layout.pin(id)
        with self.names:
            if not on:
                durable.remove(pin)
            elif self.layout.media(id).exists():
                durable.touch(pin)
            else:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self.layout.media(id)))

    def pinned(self, id: MediaId) -> bool:
        """Whether somebody asked for it to be kept."""
        return self.layout.pin(id).exists()

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


def shown(file: BinaryIO, *, still: bool) -> boxes.Video:
    """What is in a clip or, all in one frame, in a JPEG. Raises NotPlayable."""
    if not still:
        return boxes.read(file)
    data = file.read()
    try:
        width, height = jpeg.size(data)
    except jpeg.BadJpeg as error:
        raise boxes.NotPlayable(f"the picture {error}") from None
    return boxes.Video("jpeg", width, height, frames=1, duration=0.0, end=len(data))
