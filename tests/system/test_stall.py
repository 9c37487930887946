"""One camera whose library never comes back, beside one that works: the first is replaced, the second notices nothing.

That a stall is told exactly when the time-out is over is a unit test of the camera, on a clock that the test moves.
"""

import asyncio

import pytest

from edgecam.camera import Camera, Liveness
from edgecam.clock import SystemClock
from edgecam.config import model
from edgecam.events import Bus, CameraLost
from edgecam.frame import Stamp
from edgecam.health import CameraState, CameraStatus
from edgecam.hub import FrameHub, Ring
from edgecam.sources import LostThreads, Rig, Source, open_source
from edgecam.supervisor import Vitals, keep
from fakes import Hung, HungLibrary, Switchboard, until

pytestmark = pytest.mark.system

TIME_OUT = 0.2
"""Seconds; here only to be quick, the rule is the same for 10."""


async def test_a_read_that_never_returns_is_stalled_and_replaced_and_the_other_camera_loses_no_frame() -> None:
    clock, bus, lost, library = SystemClock(), Bus(), LostThreads(), HungLibrary()
    gone: dict[str, float] = {}

    def lose(event: CameraLost) -> None:
        gone.setdefault(event.camera, clock.monotonic())

    bus.on(CameraLost, lose)
    hubs = {id: FrameHub(id, Ring(1.0)) for id in ("hung", "fine")}
    boards = {id: CameraStatus(id) for id in hubs}
    seen: list[int] = []
    lives: list[Source] = [Hung(library, lost)]

    def camera(id: str) -> list[asyncio.Task[None]]:
        rig = Rig(Stamp(id, clock), clock, lost=lost)
        config = model.SyntheticSource.model_validate({"size": "160x120", "fps": 100})
        vitals = Vitals(id)
        made = Camera(
            id=id,
            source=lambda: lives.pop() if id == "hung" and lives else open_source(config, rig),
            patience=TIME_OUT if id == "hung" else 30.0,
            hub=hubs[id],
            settings=Switchboard(bus, clock),
            status=boards[id],
            bus=bus,
            clock=clock,
            vitals=vitals,
            lost=lost,
        )
        return [
            asyncio.create_task(keep(made, clock, vitals, jitter=lambda: 0.0)),
            asyncio.create_task(Liveness(made, clock).run()),
        ]

    began = clock.monotonic()
    tasks = [*camera("hung"), *camera("fine")]
    try:
        with hubs["fine"].tap(lambda frame: seen.append(frame.number)):
            await until("the hung camera is told stalled", lambda: "hung" in gone)
            await until("it is replaced", lambda: boards["hung"].state is CameraState.RUNNING)
            so_far = len(seen)
            await until("the other goes on", lambda: len(seen) > so_far)
        assert lost.count == 1
        assert gone["hung"] - began >= TIME_OUT
        assert seen == list(range(seen[0], seen[0] + len(seen)))
        assert "fine" not in gone
    finally:
        library.free.set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
