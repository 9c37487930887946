"""Story: tells the bus of one camera's motion events, from the first moving frame to the best picture at the end."""

from collections.abc import Callable
from datetime import UTC, datetime

from edgecam.events import Bus, MotionEnded, MotionPicture, MotionStarted, MotionUpdated
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


class Story:
    """Collects moving looks, confirmed or not; publishes only what the gate confirms. Loop thread only.

    `portray` publishes an event's picture, which may have to be coded first: its frame, and what makes the event of
    the frame as a JPEG.
    """

    def __init__(
        self, camera: str, bus: Bus, portray: Callable[[Frame, Callable[[Frame], MotionPicture]], None]
    ) -> None:
        self._camera, self._bus, self._portray = camera, bus, portray
        self._forget()

    def _forget(self) -> None:
        self._tally = Tally()
        self._id = ""
        self._first: Frame | None = None
        self._newest: Frame | None = None
        self._last: Frame | None = None
        self._told = self._tally.facts
        self._told_at = self._pictured_at = 0.0
        self._pictured: Frame | None = None

    def moving(self, look: Look, frame: Frame) -> None:
        """One moving look."""
        self._tally.add(look, frame)
        self._first, self._newest = self._first or frame, frame

    def quiet(self) -> None:
        """The moving looks so far, if any, came to nothing. Not while an event is told."""
        self._forget()

    def started(self) -> None:
        """The moving looks so far are an event."""
        first, newest = self._frames()
        self._id = event_id(first.wall)
        score, area, box = self._told = self._tally.facts
        self._told_at = newest.mono
        self._bus.publish(
            MotionStarted(
                camera=self._camera,
                at=first.wall,
                mono=first.mono,
                event_id=self._id,
                score=score,
                area=area,
                box=box,
            )
        )
        self._picture(newest.mono, final=False)

    def moved(self) -> float:
        """The event reaches to the newest moving look; returns when that was, in unix seconds."""
        first, newest = self._frames()
        self._last = newest
        if newest.mono - self._told_at >= PERIOD and self._tally.facts != self._told:
            self._update(first, newest)
        if newest.mono - self._pictured_at >= PERIOD and self._tally.best is not self._pictured:
            self._picture(newest.mono, final=False)
        return newest.wall

    def _update(self, first: Frame, newest: Frame) -> None:
        score, area, box = self._told = self._tally.facts
        self._told_at = newest.mono
        self._bus.publish(
            MotionUpdated(
                camera=self._camera,
                at=newest.wall,
                mono=newest.mono,
                event_id=self._id,
                score=score,
                area=area,
                box=box,
                since=first.wall,
            )
        )

    def ended(self) -> None:
        """The event is over, at the look that `moved` told last."""
        first, newest = self._frames()
        last = self._last or newest
        score, area, box = self._tally.facts
        self._bus.publish(
            MotionEnded(
                camera=self._camera,
                at=last.wall,
                mono=last.mono,
                event_id=self._id,
                score=score,
                area=area,
                box=box,
                since=first.wall,
                duration=last.mono - first.mono,
            )
        )
        self._picture(last.mono, final=True)
        self._forget()

    def _picture(self, now: float, *, final: bool) -> None:
        """The best moment so far."""
        best = self._tally.best or self._frames()[0]
        self._pictured, self._pictured_at = best, now
        event_id, score = self._id, self._tally.best_score

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

    def _frames(self) -> tuple[Frame, Frame]:
        """First and newest moving frame; the gate opens on a moving look only."""
        assert self._first is not None
        assert self._newest is not None
        return self._first, self._newest
