"""The daemon is killed at random moments, over and over, on one storage; each time its disk is looked at from outside.

`make crash` runs this, and the power cuts of power.py, and keeps what it says in docs/crash.txt.
"""

import argparse
import math
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from crash import house, power, scan
from edgecam.media import MediaId, MediaKind
from outside import probe, until
from peers import S3

SLACK = 0.5
"""Seconds that a kill may cost beyond the fragment that was open: the frame that waits for its end, the way to us."""

LIVES_OF_NOBODY = 0.1
"""Share of the kills that come before the daemon answers: in its start, or in the recovery."""

CLEAN_WITHIN = 20.0
"""Seconds that the daemon gets to finish what it found."""


@dataclass
class Life:
    """One run of the daemon and what was seen of it before it was killed."""

    began: float
    """Unix seconds: its media is no older,"""
    ended: float = math.inf
    """and no younger."""
    last: dict[str, int] = field(default_factory=dict)
    """The newest frame that a viewer had of each camera."""


@dataclass
class Tally:
    """What the campaign counted."""

    kills: Counter[str] = field(default_factory=Counter)
    lost: dict[str, list[float]] = field(default_factory=lambda: {camera: [] for camera in house.FRAGMENT})
    """Seconds, for each kill."""
    clips: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


class Campaign:
    """Kills one daemon again and again. Everything wrong is counted, printed and remembered; nothing stops for it."""

    def __init__(self, folder: Path, seed: int, say: Callable[[str], None], server: S3 | None = None) -> None:
        """`server`: where it uploads to; without one that is a folder."""
        self._chance, self._say, self._store = random.Random(seed), say, server or folder / "store"
        self._wanted = house.wanted(self._store)
        video = house.film(folder / "robin.mp4", 30)
        self._box = house.edgecam(folder / "box", video, self._store, limit="40MB")
        self._seen: set[str] = set()
        self._sample = folder / "sample.mp4"
        self.tally = Tally()

    def run(self, kills: int) -> Tally:
        life = None
        try:
            for number in range(1, kills + 1):
                life = self._live(life)
                if number % 10 == 0:
                    self._say(f"{number:4} kills, {sum(self.tally.clips.values())} clips looked at, {self._worst()}")
            self._end(life)
        finally:
            self._box.down(signal.SIGKILL)
        return self.tally

    def _worst(self) -> str:
        worst = ", ".join(f"{camera} {max(lost, default=0.0):.2f} s" for camera, lost in self.tally.lost.items())
        return f"most lost: {worst}; wrong: {len(self.tally.wrong)}"

    def _live(self, before: Life | None) -> Life | None:
        """One life, in which that before is looked at. Returns what the next one has to find."""
        box, chance = self._box, self._chance
        if chance.random() < LIVES_OF_NOBODY:
            box.start()
            time.sleep(chance.uniform(0.0, 3.0))
            self._kill("in the start")
            return before  # whatever it had begun is finished by the next one, or by that after it
        life = Life(time.time())
        box.up()
        witnesses = {camera: house.Witness(box.url, camera) for camera in house.FRAGMENT}
        delay = chance.uniform(0.3, 6.0)
        killed_at = time.monotonic() + delay
        self._recovered(before, life)
        time.sleep(max(0.0, killed_at - time.monotonic()))
        life.ended = time.time()
        coding = any(box.library.glob("spool/open/*.coded.mp4"))
        self._kill("while a clip was coded" if coding else "while it recorded")
        for camera, witness in witnesses.items():
            witness.join()
            life.last[camera] = witness.last
        return life

    def _kill(self, when: str) -> None:
        assert self._box.process is not None
        self._box.process.kill()
        self._box.process.wait()
        self._box.process = None
        self.tally.kills[when] += 1
        self._complain(scan.whole(self._box.library))

    def _recovered(self, before: Life | None, life: Life) -> None:
        """The library is clean, and what the life before showed is in it."""
        root = self._box.library
        try:
            until("clean", lambda: not scan.orphans(root, life.began, wanted=self._wanted), CLEAN_WITHIN)
        except AssertionError:
            self._complain(scan.orphans(root, life.began, wanted=self._wanted))
        if before:
            for camera, last in before.last.items():
                self._gapless(camera, before.began, before.ended, last)
        self._look_at_clips(life.began)

    def _gapless(self, camera: str, began: float, ended: float, last: int) -> None:
        """The files without end hold each frame once, up to the last fragment."""
        found = self._clips(camera, MediaKind.CONTINUOUS, began, ended)
        seen = [number for path in found for number in house.numbers(path)]
        self._complain([f"{camera}, files without end: {hole}" for hole in house.holes(seen)])
        lost = house.lost(seen, last)
        self.tally.lost[camera].append(lost / house.FPS)
        if lost > house.most_lost(camera, SLACK):
            self._complain([f"{camera}: shown up to {last}, recorded up to {seen[-1:]} in {[p.name for p in found]}"])

    def _clips(self, camera: str, kind: MediaKind, began: float, ended: float) -> list[Path]:
        ids = [id for id in scan.starts(self._box.library) if (id.camera, id.kind) == (camera, kind)]
        return [self._path(id) for id in ids if began <= id.start < ended]

    def _path(self, id: MediaId) -> Path:
        return self._box.library / "recordings" / id.camera / id.day / f"{id}.mp4"

    def _look_at_clips(self, ended: float) -> None:
        """Each finished clip once: no hole in it; a player's opinion of some."""
        for id in scan.starts(self._box.library):
            if id.text in self._seen or id.start >= ended:
                continue
            self._seen.add(id.text)
            try:
                shutil.copy(self._path(id), self._sample)  # the keeper takes them while we look
            except FileNotFoundError:
                continue
            self.tally.clips[f"{id.camera} {id.kind}"] += 1
            if id.kind is not MediaKind.CONTINUOUS:
                self._complain([f"{id}: {hole}" for hole in house.holes(house.numbers(self._sample))])
            if self._chance.random() < 0.1:
                try:
                    probe(self._sample)
                except AssertionError as error:
                    self._complain([f"{id}: {error}"])

    def _end(self, life: Life | None) -> None:
        """The last life ends as it should: all is coded, brought to the store and clean."""
        last = Life(time.time())
        box = self._box.up()
        self._recovered(life, last)
        until("everything of before is finished", lambda: not _began_before(box.library, "open", last.began), 120)
        self._look_at_clips(last.began)
        until("everything of before is stored", lambda: not _began_before(box.library, "wait", last.began), 120)
        self._complain(box.health()["problems"])
        box.down()
        self._complain(scan.whole(box.library) + scan.orphans(box.library, wanted=self._wanted))
        self._complain(scan.stored(house.place(self._store), box.library))

    def _complain(self, what: list[str]) -> None:
        for line in what:
            if line not in self.tally.wrong:
                self.tally.wrong.append(line)
                self._say(f"WRONG after {sum(self.tally.kills.values())} kills: {line}")


def _began_before(root: Path, room: str, began: float) -> list[Path]:
    paths = (root / "spool" / room).iterdir()
    return [path for path in paths if MediaId.parse(path.name.partition(".")[0]).start < began]


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--cuts", type=int, default=25, help="power cuts")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # not without clearing up
    _say(
        "Two cameras, 640x360 at 15 frames a second, one JPEG and one H.264, record without end and clips of events;\n"
        "the clips go to a folder as store, and are kept for a minute; storage.limit is 40 MB. The daemon is\n"
        f"killed 0.3 to 6 s after it answers, or in its start. Repeat it with: make crash (seed {given.seed})\n"
    )
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        campaign = Campaign(Path(folder), given.seed, _say)
        tally = campaign.run(given.kills)
    _say("\n" + report(tally))
    _say(f"{(time.monotonic() - began) / 60:.0f} minutes.\n")
    wrong = tally.wrong + power.campaign(given.cuts, given.seed, _say)
    if wrong:
        sys.exit(f"{len(wrong)} things are wrong")


def report(tally: Tally) -> str:
    lines = [f"{count:4} kills {when}" for when, count in sorted(tally.kills.items())]
    lines += [f"{count:4} clips looked at: {what}" for what, count in sorted(tally.clips.items())]
    for camera, lost in tally.lost.items():
        ordered = sorted(lost) or [0.0]
        lines.append(
            f"{camera}: frames lost that a viewer had seen, in seconds: median {ordered[len(ordered) // 2]:.2f}, "
            f"most {ordered[-1]:.2f} (allowed: a fragment of {house.FRAGMENT[camera]} s and {SLACK} s)"
        )
    return "\n".join([*lines, f"{len(tally.wrong)} things were wrong", ""])


if __name__ == "__main__":
    main()
