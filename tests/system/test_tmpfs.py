"""Recording without end on a small disk: the short form of `make tmpfs`, real files with a clock of our own."""

import asyncio
import random
from pathlib import Path

import pytest

from clips import jpegs, opened
from edgecam.config import model
from edgecam.events import Bus, ClipLost, ClipSaved
from edgecam.health import DiskStatus
from edgecam.media import MediaId, MediaKind
from edgecam.record.disk.keeper import WATCH, Keeper, space
from edgecam.record.disk.recovery import Recovered
from edgecam.record.draft import Draft
from edgecam.record.writer import Writer
from fakes import RestingClock
from mounts import as_root, tmpfs

pytestmark = [pytest.mark.system, as_root]

CAPACITY = 24 << 20
RESERVE = 2 << 20
TIMES = 10
STORED = 0.7
"""Share of the segments that a store has confirmed by the time they are in the way."""


@pytest.mark.parametrize("seed", [1, 2])
async def test_ten_times_the_disk_is_recorded_without_a_stop_and_the_counters_are_true(
    seed: int, tmp_path: Path
) -> None:
    rng, clock, bus, status = random.Random(seed), RestingClock(), Bus(), DiskStatus()
    lost = set[str]()
    bus.on(ClipLost, lambda event: lost.add(event.media.id))
    frames = jpegs(40)
    with tmpfs(tmp_path / "place", CAPACITY) as place, opened(place, wanted=lambda _: True) as library:
        config = model.Storage.model_validate({"limit": "1GB", "reserve": f"{RESERVE}B"})
        keeper = Keeper(
            config=config,
            cameras={},
            library=library,
            bus=bus,
            clock=clock,
            status=status,
            back=list[Recovered]().append,
        )
        life = asyncio.create_task(keeper.run())
        await clock.rested.wait()
        made, written, waiting = set[MediaId](), 0, set[str]()
        while written < TIMES * CAPACITY:
            some = frames[: rng.randrange(10, len(frames))]
            id = MediaId.new(clock.wall(), "cam", MediaKind.CONTINUOUS)
            draft = Draft(id=id.name, start=clock.wall(), cause="continuous")
            writer = Writer(draft, library)
            for frame in some:
                writer.put(frame)
            writer.close(draft)
            done = await asyncio.wrap_future(writer.done)
            assert done.draft is not None, done.trouble
            sidecar = library.finish(done.draft)
            made.add(id)
            written += sidecar.size
            if rng.random() < STORED:
                library.layout.marker(id).unlink()
            else:
                waiting.add(id.text)
            bus.publish(ClipSaved(camera="cam", at=sidecar.end, media=sidecar))
            assert space(place).free >= RESERVE
            await clock.advance(WATCH)
            await clock.rested.wait()
            assert space(place).free >= RESERVE
            assert library.full is None
        life.cancel()
        await asyncio.wait({life})
        gone = {id.text for id in made if library.find(id.text) is None}
        assert (status.removed, status.lost) == (len(gone), len(lost))
        assert lost == gone & waiting
        assert lost, "what waits goes at last"
        here = [id.text for id in made if id.text not in gone]
        assert min(here) > max(lost), "the oldest of what waits goes first"
        assert status.media == sum(path.stat().st_size for path in place.glob("recordings/*/*/*"))
