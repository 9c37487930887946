"""The daemon, and its offload worker, on a box whose clock is wrong until a test sets it. All else is as it is.

    python tests/wrongclock.py FILE PATIENCE run -c config.yaml

FILE says by how many seconds the clock is behind, at any time; PATIENCE is for how many seconds uploads are held.
"""

import json
import sys
import time
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path

from edgecam import clock
from edgecam.media import MediaId

BOOK = {
    "source": {"type": "synthetic", "size": "320x240", "fps": 10, "schedule": {"every": "4s", "move": "1s"}},
    "video": {"codec": "mjpeg"},
    "motion": {"cooldown": "1s"},
    "record": {"mode": "both", "event": {"pre": "1s", "post": "1s"}, "continuous": {"segment": "1s", "keep": "1h"}},
    "offload": ["event", "continuous", "snapshot"],
}
"""A camera that has always something new."""


def box(folder: Path, store: Mapping[str, object], behind: float, patience: float = 900.0) -> "Edgecam":
    """One with that camera, named `wall`, whose clock is `behind`."""
    made = Edgecam(folder, {"offload": {"store": dict(store)}, "cameras": {"wall": BOOK}})
    folder.mkdir(parents=True, exist_ok=True)
    put(made, behind)
    made.command = (__file__, str(folder / "clock"), str(patience))
    return made


def put(box: "Edgecam", behind: float) -> None:
    """Set its clock."""
    new = box.folder / "clock.new"
    new.write_text(str(behind))
    new.replace(box.folder / "clock")


def lives(folder: Path, store: Mapping[str, object], keys: Callable[[], Collection[str]], behind: float) -> int:
    """Row 18 of the fault matrix: a box with such a clock before a server that tells the time. `keys` are all there are
    in the store. Returns how many things it has in the end; raises AssertionError.
    """
    began = time.time()
    with box(folder, store, behind, patience=1.5) as made:
        until("the clock is known to be wrong", lambda: made.health()["clock"]["state"] == "unsynced")
        assert "the store's" in made.health()["clock"]["reason"]
        assert media(keys()) == []
        until("things are stored without a date", lambda: len(complete(keys())) > 1)
        assert all(id.unsynced for id in media(keys())), "a wrong date is in the store"
        put(made, 0.0)
        until("the clock is right", lambda: made.health()["clock"]["state"] == "synced")
        until("things are stored with their date", lambda: any(not id.unsynced for id in complete(keys())))
        assert made.health()["problems"] == []
        assert made.health()["disk"]["removed"] == 0
    found = media(keys())
    assert len({id.random for id in found}) == len(found), "something is in the store twice"
    for id in found:
        assert id.unsynced or began - 2 < id.start < time.time(), f"{id} is not when it was"
    for facts in made.sidecars():
        assert facts["clock"] == "synced"
        assert began - 2 < datetime.fromisoformat(facts["start"]).timestamp() < time.time()
    assert "Traceback" not in made.log
    return len(found)


def media(keys: Collection[str]) -> list[MediaId]:
    """What the store has, each at the key that it should have."""
    found = []
    for key in keys:
        folder, _, name = key.rpartition("/")
        stem, _, suffix = name.rpartition(".")
        if suffix in ("mp4", "jpg"):
            id = MediaId.parse(name if suffix == "jpg" else stem)
            day = "unsynced" if id.unsynced else id.day.replace("-", "/")
            assert folder.endswith(f"testbox/wall/{day}"), key
            found.append(id)
    return [id for id in found if not id.beside]


def complete(keys: Collection[str]) -> list[MediaId]:
    """Of it, what has its manifest."""
    stems = {key.rpartition("/")[2] for key in keys}
    return [id for id in media(keys) if f"{id}.json" in stems]


def _main() -> None:
    """Nobody has imported the clock yet but us."""
    file, patience = Path(sys.argv[1]), float(sys.argv[2])
    command = (sys.executable, *sys.argv[:3], "worker")

    class Clock(clock.SystemClock):
        def wall(self) -> float:
            return super().wall() - json.loads(file.read_text())  # type: ignore[no-any-return]

    vars(clock)["SystemClock"] = Clock
    from edgecam import __main__, almanac, app
    from edgecam.offload import worker

    del sys.argv[1:3]
    if sys.argv[1] == "worker":
        worker.main()
    else:
        almanac.PATIENCE = patience
        vars(app)["Worker"] = partial(worker.Worker, command=command)
        raise SystemExit(__main__.main())


if __name__ == "__main__":
    _main()
else:
    from outside import Edgecam, until
