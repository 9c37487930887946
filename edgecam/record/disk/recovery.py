"""Recovery: finish what a process before left unfinished, at start and when the storage comes back.

Reads `spool/` only, however large the library.

Doing it twice does nothing the second time; a crash in the middle of it is just another crash.
"""

import contextlib
import logging
import re
from dataclasses import dataclass, field
from pathlib import Path

from edgecam import durable
from edgecam.media import MediaId, Sidecar
from edgecam.record import boxes
from edgecam.record.disk.library import Library
from edgecam.record.disk.renaming import Renaming, resume
from edgecam.record.draft import Draft, orphan

log = logging.getLogger(__name__)

CODED = ".coded.mp4"
"""Ending of what the transcoder writes; worthless without the process that was to verify it."""

_SEALED = re.compile(r"\.(age|json)(\.(new|tmp))?$")
"""What follows the name of a marker in `spool/sealed`."""


@dataclass(slots=True)
class Recovered:
    """What recovery found."""

    saved: list[Sidecar] = field(default_factory=list)
    """Finished now, and not told to anybody before the crash."""
    drafts: list[Draft] = field(default_factory=list)
    """Complete, but still to be coded or finished."""
    renamed: list[Renaming] = field(default_factory=list)
    refused: OSError | None = None
    """Why something did not get its name: the library stays untidy."""


def enter(library: Library) -> Recovered:
    """Open the library and recover what is in it. Blocking. Raises Fatal and Away as `open` does, and OSError."""
    library.open()
    return recover(library)


def tidy(library: Library) -> Recovered:
    """Recover what could not be removed while the disk refused. Raises OSError while it still does."""
    library.probe()
    library.untidy = False
    return recover(library)


def recover(library: Library) -> Recovered:
    """Blocking. What this process is busy with is left alone. Raises OSError when `spool/` cannot be read."""
    found = Recovered()
    for path in sorted((*library.layout.open.iterdir(), *library.layout.wait.iterdir())):
        if path.name.endswith((".tmp", CODED)) and not _busy(library, path):
            durable.remove(path)
    found.renamed, found.refused = resume(library)
    for done in found.renamed:
        log.info("%s: is called %s now", done.old, done.facts.id)
    for draft in _drafts(library):
        try:
            _resume(library, draft, found)
        except OSError as error:
            log.error("%s: cannot be finished now (%s), trying again later", draft.id, error)
            found.drafts.append(draft)
    library.busy.update(draft.media.text for draft in found.drafts)
    _drop_markers_without_media(library)
    _drop_seals_without_marker(library)
    return found


def _busy(library: Library, path: Path) -> bool:
    return path.name.partition(".")[0] in library.busy


def _drafts(library: Library) -> list[Draft]:
    """Every draft, and one made up for each part that has none; what nobody completed was interrupted."""
    found: dict[str, Draft] = {}  # by their ids
    for path in sorted(library.layout.open.iterdir()):
        name, dot, _ = path.name.partition(".part.")
        if not dot or name in found or name in library.busy:
            continue
        try:
            id = MediaId.parse(name + path.suffix if path.suffix == ".jpg" else name)
        except ValueError:
            _set_aside(library, path, "its name is not one of ours")
            continue
        draft = _read(library.layout.draft(id)) or orphan(id)
        if not library.layout.media(id.picture).exists():
            draft = draft.but(picture=None)  # the crash came before it had its name
        found[name] = draft if draft.complete else draft.but(complete=True, interrupted=True)
    return list(found.values())


def _read(path: Path) -> Draft | None:
    try:
        return Draft.model_validate_json(path.read_bytes())
    except (OSError, ValueError):
        return None


def _resume(library: Library, draft: Draft, found: Recovered) -> None:
    """Take one draft as far as it goes without coding. Raises OSError."""
    part = library.layout.part(draft.media)
    if not part.exists():
        _without_part(library, draft, found)
        return
    try:
        if draft.encode and codec_of(part) == "mjpeg":
            library.update(draft)
            library.cut(draft)
            found.drafts.append(draft)
        else:
            found.saved.append(library.finish(draft))
            log.info("%s: finished after an interruption", draft.id)
    except boxes.NotPlayable as error:
        quarantine(library, draft, error)


def codec_of(part: Path) -> str:
    """Raises OSError, NotPlayable."""
    with part.open("rb") as file:
        return boxes.read(file).codec


def _without_part(library: Library, draft: Draft, found: Recovered) -> None:
    """The crash came before the first byte, or after the media got its final name."""
    sidecar = conclude(library, draft)
    if sidecar:
        found.saved.append(sidecar)


def conclude(library: Library, draft: Draft) -> Sidecar | None:
    """Forget the draft of media that is not in the spool: it got its final name, or (None) is lost. Raises OSError."""
    id = draft.media
    sidecar = library.sidecar(id) if library.find(id.name) else None
    if sidecar is None:
        library.discard(draft)
        return None
    durable.remove(library.layout.draft(id))
    library.busy.discard(id.text)
    return sidecar


def quarantine(library: Library, draft: Draft, error: boxes.NotPlayable) -> None:
    """Move what cannot be played out of the way, where a person may look at it; nothing is left of nothing."""
    part = library.layout.part(draft.media)
    if isinstance(error, boxes.Unfinished) or not part.stat().st_size:
        log.warning("%s: %s; there is nothing to keep", draft.id, error)
        library.discard(draft)
    else:
        set_aside(library, draft, str(error))


def set_aside(library: Library, draft: Draft, why: str) -> None:
    """Move media that cannot be finished to `spool/bad`, with its draft, which says why. Raises OSError."""
    _set_aside(library, library.layout.part(draft.media), why)
    note = "; ".join(filter(None, (draft.note, why)))
    with contextlib.suppress(OSError):  # the reason is in the log as well
        durable.write(library.layout.bad / library.layout.draft(draft.media).name, draft.but(note=note).dump())
    library.discard(draft)


def _set_aside(library: Library, path: Path, why: str) -> None:
    durable.rename(path, library.layout.bad / path.name)
    log.error("%s cannot be recovered: %s; it lies in %s", path.name, why, library.layout.bad)


def _drop_markers_without_media(library: Library) -> None:
    """A marker promises media; one that cannot keep it would wait for ever."""
    for marker in sorted(library.layout.wait.iterdir()):
        try:
            id = MediaId.parse(marker.name)
        except ValueError:
            continue
        if not _busy(library, marker) and drop_without_media(library, id):
            log.warning("%s waits for the store but its media is gone", id)


def drop_without_media(library: Library, id: MediaId) -> bool:
    """Drop the marker of media that is neither finished nor being written, and what is told of it; False when it is.

    What a store noted of its parts is left to whoever has them forgotten there.
    """
    with library.names:
        if library.find(id.name) is not None or library.layout.part(id).exists():
            return False
        layout = library.layout
        for path in (layout.sidecar(id), layout.seal(id), layout.sealed(id), layout.marker(id)):
            durable.remove(path)
    return True


def _drop_seals_without_marker(library: Library) -> None:
    """What was encrypted for a store that has it by now, or does not get it any more."""
    if not library.layout.seals.is_dir():
        return
    for path in sorted(library.layout.seals.iterdir()):
        if not (library.layout.wait / _SEALED.sub("", path.name)).exists():
            durable.remove(path)
