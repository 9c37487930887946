"""Story: tells the bus of one camera's events, from the first moving frame to the best picture at the end."""

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from math import inf
from typing import NamedTuple

from edgecam.events import (
    MOTION,
    Bus,
    MotionEnded,
    MotionExplained,
    MotionPicture,
    MotionStarted,
    MotionUpdated,
    Suppressed,
)
from edgecam.frame import Frame
from edgecam.media import Looks, token
from edgecam.motion.detector import Look, Reason
from edgecam.motion.tally import Tally

PERIOD = 5.0
"""Seconds between two updates, between two pictures, and between two explanations, of one event at least."""


def event_id(start: float) -> str:
    """A fresh id, sortable by `start` (unix seconds): `20261121T071530123Z-k3x9qa`."""
    stamp = datetime.fromtimestamp(start, UTC).strftime("%Y%m%dT%H%M%S%f")[:-3]
    return f"{stamp}Z-{token()}"


class Moment(NamedTuple):
    """Monotonic and unix seconds of the same instant."""

    mono: float
    wall: float


class Story:
    """Collects looks; publishes only what the gate confirms, and why the rest did not count. Loop thread only.

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
        self._lit, self._is_lit = -inf, False
        """When the light was seen to change last, monotonic."""
        self._forget()

    def _forget(self) -> None:
        self._tally = Tally[Frame](self._zones)
        self._suppressed: Suppressed | None = None
        self._cause = MOTION
        self._first: Moment | None = None
        self._newest: Moment | None = None
        self._last: Moment | None = None
        self._told = self._tally.facts
        self._told_at = self._pictured_at = self._explained_at = 0.0
        self._pictured: Frame | None = None

    def look(self, look: Look, frame: Frame, *, confirmed: bool, zones: Collection[str] = ()) -> None:
        """One look, whether the gate has confirmed it as motion, and in which zones."""
        if not (look.moving and look.follows):
            self.quiet()
        self._tally.add(look, frame, confirmed=confirmed, zones=zones)
        reason, now = look.why_not(confirmed), Moment(frame.mono, frame.wall)
        self._suppressed = Suppressed(reason, now.wall) if reason else None
        if look.moving:
            self._newest = now
            self._first = self._first or now
        if not confirmed:
            self._explain(now, lit=reason is Reason.GLOBAL_LIGHT)

    def quiet(self) -> None:
        """The moving looks that are not confirmed, if any, came to nothing."""
        self._tally.lapse()
        self._suppressed = None
        if not self._tally.begun:
            self._first = None

    def triggered(self, at: Moment, cause: str) -> None:
        """An event begins now, whatever moves."""
        self._cause, self._first, self._newest, self._suppressed = cause, at, at, None
        self._tally.begun = True
        self._reach(at)  # what moved in the picture of before is no end of it
        self.started()

    def started(self) -> None:
        """The moving looks so far are an event."""
        first, newest = self._moments()
        self.id = event_id(first.wall)
        self._told = self._tally.facts
        self._told_at = self._explained_at = newest.mono
        self._bus.publish(
            MotionStarted(
                camera=self._camera,
                at=first.wall,
                mono=first.mono,
                event_id=self.id,
                cause=self._cause,
                suppressed=self._suppressed,
                looks=self._looks,
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
        self._explain(newest)
        if newest.mono - self._pictured_at >= PERIOD and self._tally.peak.best is not self._pictured:
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
        self._told_at = self._explained_at = newest.mono
        self._bus.publish(
            MotionUpdated(
                camera=self._camera,
                at=newest.wall,
                mono=newest.mono,
                event_id=self.id,
                cause=self._cause,
                since=first.wall,
                suppressed=self._suppressed,
                looks=self._looks,
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
                suppressed=self._suppressed,
                looks=self._looks,
                **self._tally.facts._asdict(),
            )
        )
        self._picture(last.mono, final=True)
        self._forget()

    def _picture(self, now: float, *, final: bool) -> None:
        """The best moment so far; nothing where no picture came yet."""
        best = self._tally.peak.best
        if best is None:
            return
        self._pictured, self._pictured_at = best, now
        event_id, score = self.id, self._tally.peak.best_score

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

    def _explain(self, now: Moment, *, lit: bool = False) -> None:
        """Tell what the looks say where it is time to. `lit`: the light has changed in this one."""
        going = self._tally.begun
        if lit:
            self._lit = now.mono
        if going:
            due = now.mono - self._explained_at >= PERIOD
        else:
            due = self._is_lit != lit and (lit or now.mono - self._lit >= PERIOD)
        if not due:
            return
        self._explained_at, self._is_lit = now.mono, lit
        self._bus.publish(
            MotionExplained(
                camera=self._camera,
                at=now.wall,
                event_id=self.id if going else None,
                suppressed=self._suppressed,
                looks=self._looks if going else None,
            )
        )

    @property
    def _looks(self) -> Looks | None:
        tally, peak = self._tally, self._tally.peak
        if not tally.looks:
            return None
        moved = peak.best if peak.moving else None
        return Looks(
            looks=tally.looks,
            moving=peak.moving,
            peak_score=peak.score,
            peak_area=round(peak.area, 2),
            box=tuple(round(edge, 4) for edge in peak.box) if moved else None,
            best=moved and moved.wall,
            suppressed=tally.reasons,
        )

    def _moments(self) -> tuple[Moment, Moment]:
        """First and newest moment of the event: a gate opens on a moving look or a trigger only."""
        assert self._first is not None
        assert self._newest is not None
        return self._first, self._newest
