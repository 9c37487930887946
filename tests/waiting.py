"""Finished clips that wait for a store, as the library leaves them on disk: for tests of the offload."""

import hashlib
import random
from collections.abc import Collection
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


def stored_once(bucket: Path, root: Path, clips: Collection[Sidecar], *, node: str) -> None:
    """These and nothing else lie in the folder `bucket`: each once, whole, with its manifest. Here each has its receipt
    and no marker, and nothing else lies about.
    """
    layout = Layout(root)
    keys = {clip.media.key("", node): clip for clip in clips}
    files = (path.relative_to(bucket) for path in bucket.rglob("*") if path.is_file())
    found = sorted(path.as_posix() for path in files if path.parent.name != "_edgecam")  # what it was tried with
    assert found == sorted(f"{key}{suffix}" for key in keys for suffix in (".json", ".mp4"))
    for key, clip in keys.items():
        assert hashlib.sha256((bucket / f"{key}.mp4").read_bytes()).hexdigest() == clip.sha256, f"{key} is torn"
        assert Sidecar.model_validate_json((bucket / f"{key}.json").read_bytes()) == clip
        id = clip.media
        kept = Sidecar.model_validate_json(layout.sidecar(id).read_bytes())
        assert kept.receipt is not None, f"{id} has no receipt"
        assert kept.receipt.key == f"{key}.mp4"
        assert kept.model_copy(update={"receipt": None}) == clip
        assert not layout.marker(id).exists(), f"{id} still waits"
    ids = {clip.id: layout.folder(clip.media) for clip in clips}
    here = [path.name for folder in set(ids.values()) for path in folder.iterdir()]
    ours = sorted(name for name in here if name.partition(".")[0] in ids)
    assert ours == sorted(f"{id}{suffix}" for id in ids for suffix in (".json", ".mp4"))


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
