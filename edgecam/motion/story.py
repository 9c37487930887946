"""Story: tells the bus of one camera's events, from the first moving frame to the best picture at the end."""

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from edgecam.events import MOTION, Bus, MotionEnded, MotionPicture, MotionStarted, MotionUpdated
from edgecam.frame import Frame
from edgecam.media import token
from edgecam.motion.detector import Look
from edgecam.motion.tally import Tally

PERIOD = 5.0
"""Seconds between two updates, and between two pictures, of one event at least."""


def event_id(start: float) -> str:
    """A fresh id, sortable by `start` (unix seconds): `20261121T071530123Z-k3x9qa`."""
    stamp = datetime.fromtimestamp(start, UTC).strftime("%Y%m%dT%H%M%S%f")[:-3]
    return f"{stamp}Z-{token()}"


class Moment(NamedTuple):
    """Monotonic and unix seconds of the same instant."""

    mono: float
    wall: float


class Story:
    """Collects moving looks, confirmed or not; publishes only what the gate confirms. Loop thread only.

    `portray` publishes an event's picture, which may have to be coded first: its frame, and what makes the event of
    the frame as a JPEG. `zones`: of the camera, in the order in which they are told.
    """

    def __init__(
        self,
        camera: str,
        bus: Bus,
        portray: Callable[[Frame, Callable[[Frame], MotionPicture]], None],
        zones: Sequence[str] = (),
    ) -> None:
        self._camera, self._bus, self._portray, self._zones = camera, bus, portray, zones
        self.id = ""
        """Of the running event, or the one before."""
        self._forget()

    def _forget(self) -> None:
        self._tally = Tally(self._zones)
        self._cause = MOTION
        self._first: Moment | None = None
        self._newest: Moment | None = None
        self._last: Moment | None = None
        self._told = self._tally.facts
        self._told_at = self._pictured_at = 0.0
        self._pictured: Frame | None = None

    def moving(self, look: Look, frame: Frame, zones: Collection[str] = ()) -> None:
        """One moving look, and in which zones that is confirmed."""
        self._tally.add(look, frame, zones)
        self._newest = Moment(frame.mono, frame.wall)
        self._first = self._first or self._newest

    def quiet(self) -> None:
        """The moving looks so far, if any, came to nothing. Not while an event is told."""
        self._forget()

    def triggered(self, at: Moment, cause: str) -> None:
        """An event begins now, whatever moves."""
        self._cause, self._first, self._newest = cause, at, at
        self._reach(at)  # what moved in the picture of before is no end of it
        self.started()

    def started(self) -> None:
        """The moving looks so far are an event."""
        first, newest = self._moments()
        self.id = event_id(first.wall)
        self._told = self._tally.facts
        self._told_at = newest.mono
        self._bus.publish(
            MotionStarted(
                camera=self._camera,
                at=first.wall,
                mono=first.mono,
                event_id=self.id,
                cause=self._cause,
                **self._told._asdict(),
            )
        )
        self._picture(newest.mono, final=False)

    def moved(self) -> float:
        """The event reaches to the newest moving look; returns when that was, in unix seconds."""
        first, newest = self._moments()
        self._reach(newest)
        if newest.mono - self._told_at >= PERIOD and self._tally.facts != self._told:
            self._update(first, newest)
        if newest.mono - self._pictured_at >= PERIOD and self._tally.best is not self._pictured:
            self._picture(newest.mono, final=False)
        return newest.wall

    def held(self, at: Moment) -> None:
        """The event reaches to this moment, whatever moved."""
        self._reach(at)

    def seen(self, frame: Frame) -> None:
        """A picture of the running event that was asked for; it is shown unless there is one already."""
        self._tally.see(frame)
        if self._pictured is None:
            self._picture(frame.mono, final=False)

    def _reach(self, moment: Moment) -> None:
        self._last = moment if self._last is None else max(self._last, moment)

    def _update(self, first: Moment, newest: Moment) -> None:
        self._told = self._tally.facts
        self._told_at = newest.mono
        self._bus.publish(
            MotionUpdated(
                camera=self._camera,
                at=newest.wall,
                mono=newest.mono,
                event_id=self.id,
                cause=self._cause,
                since=first.wall,
                **self._told._asdict(),
            )
        )

    def ended(self) -> None:
        """The event is over, at the moment that `moved` or `held` told last."""
        first, newest = self._moments()
        last = self._last or newest
        self._bus.publish(
            MotionEnded(
                camera=self._camera,
                at=last.wall,
                mono=last.mono,
                event_id=self.id,
                cause=self._cause,
                since=first.wall,
                duration=last.mono - first.mono,
                **self._tally.facts._asdict(),
            )
        )
        self._picture(last.mono, final=True)
        self._forget()

    def _picture(self, now: float, *, final: bool) -> None:
        """The best moment so far; nothing where no picture came yet."""
        best = self._tally.best
        if best is None:
            return
        self._pictured, self._pictured_at = best, now
        event_id, score = self.id, self._tally.best_score

        def as_event(shown: Frame) -> MotionPicture:
            return MotionPicture(
                camera=self._camera,
                at=shown.wall,
                event_id=event_id,
                jpeg=shown.data,
                score=score,
                width=shown.width,
                height=shown.height,
                final=final,
            )

        self._portray(best, as_event)

    def _moments(self) -> tuple[Moment, Moment]:
        """First and newest moment of the event: a gate opens on a moving look or a trigger only."""
        assert self._first is not None
        assert self._newest is not None
        return self._first, self._newest
