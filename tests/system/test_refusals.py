"""A disk that refuses at any write: no room, no inode, read-only, an I/O error. Real ones, mounted for the test.

Whatever was refused, nothing half-made stays, what is finished is whole, and as soon as the disk takes it again the
rest is finished without a restart.
"""

import asyncio
import contextlib
import hashlib
import os
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import pytest

from clips import jpegs, opened, probe
from edgecam.clock import SystemClock
from edgecam.config import model
from edgecam.events import Bus, ClipSaved
from edgecam.frame import Frame
from edgecam.media import Layout, MediaId, MediaKind, Sidecar
from edgecam.record.coding.transcoder import Transcoder
from edgecam.record.disk.library import Library
from edgecam.record.disk.recovery import Recovered, recover, tidy
from edgecam.record.draft import Draft
from edgecam.record.finisher import RETRY, Finisher
from edgecam.record.writer import Writer, Written
from fakes import FakeClock, until
from mounts import Loop, as_root, mount, tmpfs, unmount, with_loop

pytestmark = [pytest.mark.system, as_root]

PAGE = 4096
FRAMES = jpegs(12)


class Desk:
    """A library with a finisher, and a clip and a snapshot that are to be kept."""

    def __init__(self, place: Path) -> None:
        self.library = Library(Layout(place), wanted=lambda _: True)
        self.library.open()
        self.clock, self.bus, self.saved = FakeClock(), Bus(), list[Sidecar]()
        self.bus.on(ClipSaved, lambda event: self.saved.append(event.media))
        self.finisher = Finisher(
            library=self.library,
            transcoder=Transcoder(SystemClock()),
            video={"cam": model.Video()},
            bus=self.bus,
            clock=self.clock,
            recovered=Recovered(),
        )
        self.refused: list[OSError] = []

    async def film(self, frames: list[Frame] = FRAMES, breaks: Callable[[], None] = lambda: None) -> Written:
        """Write the clip, hand it on, and wait for its end or for the reason why it has none.

        `breaks` is called when its first half is on the disk.
        """
        first, saved = frames[0], len(self.saved)
        draft = Draft(id=MediaId.new(first.wall, "cam", MediaKind.EVENT).name, start=first.wall, cause="motion")
        writer = Writer(draft, self.library)
        for frame in frames[: len(frames) // 2]:
            writer.put(frame)
        await until("half of it is written", lambda: not writer.backlog or writer.done.done())
        os.sync()
        breaks()
        for frame in frames[len(frames) // 2 :]:
            writer.put(frame)
        writer.close(draft)
        written = await asyncio.wrap_future(writer.done)
        if written.draft:
            self.finisher.submit(written.draft)
            await until("it is finished or refused", lambda: len(self.saved) > saved or self.finisher.trouble)
        return written

    def snap(self) -> None:
        try:
            self.saved.append(self.library.save_picture(FRAMES[0], "manual"))
        except OSError as error:
            self.refused.append(error)

    async def healed(self) -> None:
        """The disk takes everything again."""
        again = partial(self.clock.advance, RETRY)
        await until("all is finished", lambda: self.finisher.trouble is None, meanwhile=again)
        if self.library.untidy:  # as the keeper does
            self.finisher.take(tidy(self.library))

    def check(self, written: Written) -> None:
        """All that is there is whole, and nothing else is."""
        layout, found = self.library.layout, set[str]()
        expected = {layout.marker(media.media) for media in self.saved}
        for media in self.saved:
            path = self.library.find(media.media.name)
            assert path is not None
            assert hashlib.sha256(path.read_bytes()).hexdigest() == media.sha256
            assert self.library.layout.sidecar(media.media).read_bytes() == media.dump()
            if media.kind is MediaKind.EVENT:
                assert probe(path).complaints == ""
            found.add(media.kind)
            expected |= {path, layout.sidecar(media.media)}
        here = {path for path in layout.root.rglob("*") if path.is_file()} - {layout.lock}
        assert here == expected
        assert (MediaKind.EVENT in found) == (written.draft is not None)
        assert written.trouble or MediaKind.EVENT in found
        assert self.refused or MediaKind.SNAPSHOT in found
        assert self.library.busy == set()
        assert recover(self.library) == Recovered()


@contextlib.asynccontextmanager
async def desk(place: Path) -> AsyncIterator[Desk]:
    it = Desk(place)
    life = asyncio.create_task(it.finisher.run())
    try:
        yield it
    finally:
        life.cancel()
        await asyncio.wait({life})
        it.library.close()


def fill(place: Path, pages: int) -> Path:
    """Take all the room but so many pages."""
    filler = place / "filler"
    filler.write_bytes(bytes((os.statvfs(place).f_bavail - pages) * PAGE))
    return filler


def crowd(place: Path, inodes: int) -> Path:
    """Take all inodes but so many."""
    folder = place / "crowd"
    folder.mkdir()
    for n in range(os.statvfs(place).f_ffree - inodes):
        (folder / str(n)).touch()
    return folder


def clear(what: Path) -> None:
    for path in what.iterdir() if what.is_dir() else ():
        path.unlink()
    if what.is_dir():
        what.rmdir()
    else:
        what.unlink()


@pytest.mark.parametrize(("scarce", "most"), [(fill, 64), (crowd, 12)], ids=["bytes", "inodes"])
async def test_a_disk_that_is_full_at_any_write(scarce: Callable[[Path, int], Path], most: int, tmp_path: Path) -> None:
    """However much room is left: a little more each time, until nothing is refused."""
    outcomes = set()
    for room in range(most):
        with tmpfs(tmp_path / str(room), 200 * PAGE, inodes=60) as place:
            async with desk(place) as it:
                filler = scarce(place, room)
                written = await it.film()
                it.snap()
                outcomes.add((written.trouble, written.draft is not None, bool(it.finisher.trouble), bool(it.refused)))
                clear(filler)
                await it.healed()
                it.check(written)
                it.refused.clear()
                it.snap()
                assert it.refused == []
    assert len(outcomes) >= 4, outcomes
    assert (None, True, False, False) in outcomes, "with room enough nothing is refused"


async def test_a_disk_that_turns_read_only_at_any_step_and_back(tmp_path: Path) -> None:
    """What was open stays writable; whatever is opened, made, renamed or removed later is refused."""
    disk, place = tmp_path / "disk", tmp_path / "place"
    steps = 0
    for at in range(1, 100):
        (disk / str(at)).mkdir(parents=True)
        (place / str(at)).mkdir(parents=True)
        here = place / str(at)
        mount(here, "--bind", str(disk / str(at)))
        steps = 0

        def step(_: str, at: int = at, here: Path = here) -> None:
            nonlocal steps
            steps += 1
            if steps == at:
                mount(here, "--bind", str(here))
                mount(here, "-o", "remount,bind,ro")

        try:
            async with desk(here) as it:
                it.library.step = step
                written = await it.film()
                it.snap()
                read_only = steps >= at
                if read_only:
                    assert it.refused or at == steps
                    unmount(here)
                await it.healed()
                it.check(written)
        finally:
            unmount(here)
        if not read_only:
            break
    assert steps == at - 1 >= 10


@with_loop
async def test_after_io_errors_a_clip_is_what_the_disk_really_has_of_it(tmp_path: Path) -> None:
    """In the middle of the clip everything beyond the first 5 MB of the disk breaks off; 4 MB were taken before."""
    place = tmp_path / "place"
    with Loop(tmp_path / "image", place, 32 << 20) as disk:
        (place / "filler").write_bytes(bytes(4 << 20))
        async with desk(place) as it:
            written = await it.film(jpegs(180), lambda: disk.break_off(5 << 20))
            it.snap()
            assert written.trouble == "cannot write clips: Input/output error"
            disk.mend()
            await it.healed()
            (broken,) = (media for media in it.saved if media.kind is MediaKind.EVENT)
            assert broken.interrupted
            assert 2 < broken.duration < 12
            assert (await it.film()).trouble is None
            it.snap()
            assert [media.kind for media in it.saved].count(MediaKind.EVENT) == 2
            assert it.saved[-1].kind is MediaKind.SNAPSHOT
        disk.remount()
        with opened(place) as library:
            assert recover(library) == Recovered()
            for media in it.saved:
                path = library.find(media.media.name)
                assert path is not None
                assert hashlib.sha256(path.read_bytes()).hexdigest() == media.sha256
                if media.kind is MediaKind.EVENT and media != broken:
                    assert probe(path).complaints == ""
            path = library.find(broken.id)
            assert path is not None
            assert probe(path).frames > 30
