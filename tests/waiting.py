"""Finished clips that wait for a store, as the library leaves them on disk: for tests of the offload."""

import hashlib
import random
from pathlib import Path

from edgecam import durable
from edgecam.almanac import Birth
from edgecam.media import Layout, MediaKind, Sidecar
from edgecam.offload.deliver import Parcel
from edgecam.offload.stores import Upload

NOON = 1_790_000_000.0


def content(size: int, seed: int = 0) -> bytes:
    """`size` bytes that nothing can compress or confuse with others."""
    return random.Random(seed).randbytes(size)


def save(
    root: Path,
    *,
    start: float = NOON,
    kind: MediaKind = MediaKind.EVENT,
    camera: str = "birdbox",
    size: int = 1000,
    birth: Birth | None = None,
) -> Sidecar:
    """Media, sidecar and marker in the folders of the contract. The media's bytes are `content(size, int(start))`.

    `birth`: when it began, where the clock matters.
    """
    birth = birth or Birth(start)
    layout, id, start = Layout(root), birth.id(camera, kind), birth.start
    data = content(size, seed=int(start))
    for folder in (layout.folder(id), layout.wait):
        folder.mkdir(parents=True, exist_ok=True)
    sidecar = Sidecar(
        id=id.text,
        camera=camera,
        kind=kind,
        event_id="e1",
        start=start,
        end=start + 10,
        clock=birth.clock,
        boot=birth.boot,
        boottime=birth.boottime,
        duration=10,
        codec="h264",
        width=640,
        height=480,
        size=size,
        sha256=hashlib.sha256(data).hexdigest(),
        md5=hashlib.md5(data, usedforsecurity=False).hexdigest(),
        cause="motion",
    )
    durable.write(layout.sidecar(id), sidecar.dump())
    layout.media(id).write_bytes(data)
    durable.touch(layout.marker(id))
    return sidecar


def parcel(stem: str, file: Path, data: bytes) -> Parcel:
    """`data` on its way, as `file`, to `stem`, with a journal beside it."""
    file.write_bytes(data)
    sha256 = hashlib.sha256(data).hexdigest()
    return Parcel(
        file=file,
        stem=stem,
        suffix=file.suffix,
        size=len(data),
        md5=hashlib.md5(data, usedforsecurity=False).hexdigest(),
        sha256=sha256,
        content_type="video/mp4",
        metadata={"camera": "birdbox"},
        manifest=f'{{"id": "x", "sha256": "{sha256}"}}',
        journal=file.with_name(file.name + ".parts"),
    )


def media(clip: Parcel, key: str = "") -> Upload:
    """The media of `clip` alone, to its own key or another."""
    return Upload(
        body=clip.file,
        key=key or clip.stem + clip.file.suffix,
        size=clip.size,
        md5=clip.md5,
        sha256=clip.sha256,
        content_type=clip.content_type,
        metadata=clip.metadata,
        journal=clip.journal,
    )
