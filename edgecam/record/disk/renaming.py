"""Renaming: finished media gets another id, with all that bears it, and no crash leaves it half way.

What is to be done is written down in `spool/open` first and done from there, now or by recovery: every step of it may
be repeated. So nothing is there twice, and what waited waits on.
"""

import contextlib
from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from edgecam import durable
from edgecam.almanac import Birth
from edgecam.media import MediaId, MediaKind, Sidecar
from edgecam.record.disk.library import Library

ENDING = ".renaming"
"""Of what is written down in `spool/open`, behind the old id."""


class Renaming(BaseModel):
    """Written down: what is renamed, and its sidecar as it shall be. An event's picture without its clip has none;
    there it is what its marker tells.
    """

    model_config = ConfigDict(frozen=True)

    old: str
    """`MediaId.name`."""
    facts: Sidecar
    picture: Sidecar | None = None
    """What the marker of the picture beside it shall tell, where that one waits, or shall once more."""

    @property
    def ids(self) -> tuple[MediaId, MediaId]:
        """The old one and the new one."""
        return MediaId.parse(self.old), self.facts.media


def renaming(facts: Sidecar, birth: Birth, picture: Sidecar | None = None) -> Renaming:
    """Of the media that `facts` tell of, which began at `birth`. `picture`: what the marker of its picture tells."""
    old = facts.media
    id = birth.id(old.camera, old.kind, still=old.still, random=old.random).text
    shift = birth.start - facts.start

    def moved(at: float) -> float:
        """Of a moment between start and end; one by another clock than theirs was is brought there."""
        return min(max(at, facts.start), facts.end) + shift

    said: dict[str, object] = {"id": id, "clock": birth.clock}
    told = facts
    if facts.picture:
        shown = facts.picture.model_copy(update={"time": moved(facts.picture.time)})
        told = told.model_copy(update={"picture": shown})
    if facts.motion and facts.motion.best is not None:
        best = facts.motion.model_copy(update={"best": moved(facts.motion.best)})
        told = told.model_copy(update={"motion": best})
    if picture:
        at = moved(picture.start)
        picture = picture.model_copy(update=said | {"start": at, "end": at})
    told = told.model_copy(update=said | {"start": birth.start, "end": facts.end + shift})
    return Renaming(old=old.name, facts=told, picture=picture)


def rename(library: Library, planned: Renaming) -> Renaming | None:
    """What was done; None when it is not there any more. Raises OSError; then recovery goes on with it.

    What a disk refused half way goes on as it was begun: another plan would leave the picture behind.
    """
    note = library.layout.open / (MediaId.parse(planned.old).text + ENDING)
    library.check()
    try:
        if begun := _begun(note):
            planned = begun
        else:
            durable.write(note, planned.model_dump_json().encode())
            library.step("planned")
        return planned if _carry_out(library, planned, note) else None
    except OSError:
        library.untidy = True
        raise


def resume(library: Library) -> tuple[list[Renaming], OSError | None]:
    """Go on with what was interrupted. Returns what was done, and why something was not: the library is untidy then."""
    done, refused = list[Renaming](), None
    for note in sorted(library.layout.open.glob("*" + ENDING)):
        try:
            if (planned := _begun(note)) and _carry_out(library, planned, note):
                done.append(planned)
        except OSError as error:
            library.untidy, refused = True, error
    return done, refused


def _begun(note: Path) -> Renaming | None:
    """What is written down there; None where nothing is, and for what is not ours: what we write is whole."""
    with contextlib.suppress(FileNotFoundError, ValueError):
        return Renaming.model_validate_json(note.read_bytes())
    return None


def _carry_out(library: Library, planned: Renaming, note: Path) -> bool:
    layout, (old, new) = library.layout, planned.ids
    with library.names:
        there = layout.media(old).exists() or layout.media(new).exists()
        if there:
            durable.make_folder(layout.folder(new))
            if old.beside:
                _bring(library, old, new, planned.facts.dump())
            else:
                _bring_all(library, planned)
            library.touched |= {layout.folder(old), layout.folder(new)}
            with contextlib.suppress(OSError):  # not empty, usually
                layout.folder(old).rmdir()
        else:
            library.drop(new)  # what we made of it so far
    durable.remove(note)
    library.step("renamed")
    return there


def _bring_all(library: Library, planned: Renaming) -> None:
    """The sidecar first, the media's name last; then what bears the old name goes."""
    layout, (old, new) = library.layout, planned.ids
    durable.write(layout.sidecar(new), planned.facts.dump())
    library.step("new sidecar")
    if old.kind is MediaKind.EVENT:
        marker = planned.picture.dump() if planned.picture else b""
        _bring(library, old.picture, replace(new, still=True), marker)
    if layout.pin(old).exists():
        durable.touch(layout.pin(new))
        library.step("new pin")
    _bring(library, old, new)
    for path in (layout.pin(old), layout.sidecar(old)):
        durable.remove(path)
        library.step("old gone")


def _bring(library: Library, old: MediaId, new: MediaId, marker: bytes = b"") -> None:
    """One file, and its marker when it waits. What was sealed for another key is worth nothing; what the store noted of
    parts that are there is left behind, for whoever abandons them.
    """
    layout = library.layout
    if marker or layout.marker(old).exists():
        durable.write(layout.marker(new), marker)
        library.step("new marker")
    if layout.media(old).exists():
        durable.rename(layout.media(old), layout.media(new))
        library.step("new name")
    for path in (layout.seal(old), layout.sealed(old), layout.marker(old)):
        durable.remove(path)
    library.step("old marker gone")
