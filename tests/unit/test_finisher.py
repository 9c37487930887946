"""The finisher's patience: with a disk that fails without end, with a single file for some hours."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from clips import h264, opened
from edgecam.clock import SystemClock
from edgecam.events import Bus, ClipSaved
from edgecam.media import MediaId, MediaKind
from edgecam.record.coding.transcoder import Transcoder
from edgecam.record.disk.library import Library
from edgecam.record.disk.recovery import Recovered
from edgecam.record.draft import Draft
from edgecam.record.finisher import LONGEST_RETRY, RETRY, TRIES, Finisher
from edgecam.record.mp4 import Mp4
from fakes import FakeClock, until


class Bench:
    """A finisher at work, and one complete draft whose place is taken by a stranger's file."""

    def __init__(self, library: Library) -> None:
        self.library, self.clock, self.bus, self.saved = library, FakeClock(), Bus(), list[str]()
        self.bus.on(ClipSaved, lambda event: self.saved.append(event.media.id))
        self.finisher = Finisher(
            library=library,
            transcoder=Transcoder(SystemClock()),
            video={},
            bus=self.bus,
            clock=self.clock,
            recovered=Recovered(),
        )
        self.obstacle = library.layout.rooms[0] / "cam"
        self.obstacle.write_bytes(b"in the way")
        id = MediaId.new(1.79e9, "cam", MediaKind.EVENT)
        self.draft = Draft(id=id.name, start=1.79e9, cause="motion", complete=True)
        frames = h264(5)
        with library.begin(self.draft).open("wb", buffering=0) as file:
            mp4 = Mp4(file, frames[0])
            for frame in frames:
                mp4.write(frame)
            mp4.close()


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    with opened(tmp_path) as library:
        bench = Bench(library)
        life = asyncio.create_task(bench.finisher.run())
        bench.finisher.submit(bench.draft)
        yield bench
        life.cancel()
        await asyncio.wait({life})


async def test_a_file_that_alone_cannot_be_finished_is_set_aside_after_some_hours_with_the_reason(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    await until("the trouble is told", lambda: bench.finisher.trouble)
    assert bench.finisher.trouble == "recordings cannot be finished (File exists)"
    hours = sum(min(LONGEST_RETRY, RETRY * 2.0**n) for n in range(TRIES - 1)) / 3600
    assert 2 < hours < 4
    bad, id = bench.library.layout.bad, bench.draft.id
    began = bench.clock.monotonic()
    await until("it is set aside", lambda: any(bad.iterdir()), meanwhile=partial(bench.clock.advance, RETRY))
    assert bench.clock.monotonic() - began >= hours * 3600
    await until("it is no trouble any more", lambda: bench.finisher.trouble is None)
    assert {path.name for path in bad.iterdir()} == {f"{id}.part.mp4", f"{id}.part.json"}
    assert json.loads((bad / f"{id}.part.json").read_bytes())["note"] == "cannot be finished: File exists"
    assert list(bench.library.layout.open.iterdir()) == []
    assert bench.library.busy == set()
    assert caplog.text.count("nothing is lost, trying again") == 1


async def test_while_the_disk_itself_fails_nothing_is_ever_set_aside(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise OSError(5, "Input/output error")

    await until("the trouble is told", lambda: bench.finisher.trouble)
    monkeypatch.setattr(bench.library, "probe", fail)
    for _ in range(20 * TRIES):
        await bench.clock.advance(RETRY)
    with contextlib.suppress(FileNotFoundError):
        assert list(bench.library.layout.bad.iterdir()) == []
    monkeypatch.undo()
    bench.obstacle.unlink()
    again = partial(bench.clock.advance, RETRY)
    await until("it is finished", lambda: bench.saved == [bench.draft.id], meanwhile=again)
    assert bench.finisher.trouble is None
