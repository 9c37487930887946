"""Live: one camera's picture as people see it, as it comes and in variants, and the placeholder while it is away."""

import asyncio
import itertools
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager

from aiohttp import web

from edgecam import placeholder
from edgecam.clock import Clock
from edgecam.config.model import Camera
from edgecam.frame import Frame, Kind
from edgecam.health import CameraState, CameraStatus
from edgecam.hub import FrameHub, Want
from edgecam.settings import Switches
from edgecam.web import part
from edgecam.web.answers import Refused
from edgecam.web.door import visitor
from edgecam.web.fanout import Fanout, Sent, Viewer
from edgecam.web.variant import KEPT, MOST, Look, Variant

CHECK_EVERY = 5
"""Ticks between two looks for viewers that left without a word."""


class Live:
    """Loop thread only. `tap` feeds it; `tick` is called once a second."""

    def __init__(
        self,
        *,
        id: str,
        config: Camera,
        hub: FrameHub,
        status: CameraStatus,
        settings: Switches,
        clock: Clock,
        pool: Executor,
    ) -> None:
        self.id, self.config, self.hub, self.status, self._settings = id, config, hub, status, settings
        self.original = Fanout()
        """Viewers of the picture as it comes."""
        self.plain = Variant(
            Look(), quality=config.image.quality, hub=hub, clock=clock, pool=pool, fanout=self.original
        )
        """Makes that picture where the camera gives none that people can be shown as it is."""
        self.debug = Fanout()
        """Viewers of what motion sees."""
        self._variants: dict[Look, Variant] = {}
        self._clock, self._pool = clock, pool
        self._ticks = itertools.count()
        self._last: Frame | None = None
        self._card: tuple[tuple[str, str], bytes] | None = None
        self._past = Sent()

    @property
    def streaming(self) -> bool:
        """Whether there is a stream; stills there are always."""
        return self._settings.on(self.id, "streaming")

    @property
    def blind(self) -> str | None:
        """Why there is nothing that motion sees, in words; None while it looks, or would with the camera there."""
        if not self._settings.on(self.id, "motion_detection"):
            return "motion detection is switched off"
        return "outside the hours of motion.schedule" if self.status.blind == "schedule" else None

    @property
    def fanouts(self) -> Iterator[Fanout]:
        yield self.original
        for variant in self._variants.values():
            yield variant.fanout
        yield self.debug

    @property
    def viewers(self) -> list[Viewer]:
        return [viewer for fanout in self.fanouts for viewer in fanout.viewers]

    @property
    def sent(self) -> Sent:
        """What all viewers together got since start."""
        total = Sent()
        for sent in (self._past, *(fanout.sent for fanout in self.fanouts)):
            total.add(sent)
        return total

    @contextmanager
    def tap(self) -> Iterator[None]:
        """Listen to the camera for as long as the context lasts."""
        with self.hub.tap(self._deliver), self.hub.tap_debug(self.debug.deliver):
            yield

    def _deliver(self, frame: Frame) -> None:
        if not frame.is_view:
            return
        self._last = frame
        (self.original if frame.image is None else self.plain).deliver(frame)
        for variant in self._variants.values():
            variant.deliver(frame)

    def variant(self, look: Look) -> Variant | None:
        """The variant for `look`, None where the picture as it comes will do. Raises Refused (503) above MOST."""
        known = self.hub.newest or self._last
        if look.width and known is not None and look.width >= known.width:
            look = Look(None, look.quality, look.grey)
        if look.is_plain:
            return None
        found = self._variants.get(look)
        if found is None:
            for other in [other for other, variant in self._variants.items() if variant.is_idle]:
                self._past.add(self._variants.pop(other).fanout.sent)
            if len(self._variants) >= MOST:
                sentence = f"{self.id} is already shown in {MOST} other sizes or qualities, ask for one of those"
                raise Refused(503, "too_many_variants", sentence, retry_after=int(KEPT))
            found = Variant(look, quality=self.config.image.quality, hub=self.hub, clock=self._clock, pool=self._pool)
            self._variants[look] = found
        return found

    async def watch(self, viewer: Viewer, variant: Variant | None) -> None:
        """Show the camera to `viewer` until it is gone, or streaming is switched off; count it while it watches."""
        newest = self.hub.newest if self.status.online else None
        fanout = self.original if variant is None else variant.fanout
        with self._counted(Want.VIEWER):
            newest = await self.shown(newest, variant, max_age=1.0)
            if self.streaming:  # it may have been switched off meanwhile
                await fanout.watch(viewer, newest)

    async def watch_motion(self, viewer: Viewer) -> None:
        """Show what motion sees to `viewer`, on the same terms; it is drawn for as long as somebody watches."""
        with self._counted(Want.DEBUG):
            if self.streaming:
                await self.debug.watch(viewer, None)

    @contextmanager
    def _counted(self, why: Want) -> Iterator[None]:
        with self.hub.want(why):
            self.status.clients += 1
            try:
                yield
            finally:
                self.status.clients -= 1

    async def shown(self, frame: Frame | None, variant: Variant | None, max_age: float) -> Frame | None:
        """`frame` as a JPEG in that variant; one of up to `max_age` seconds will do.

        None: damaged, none there, or forgotten meanwhile.
        """
        if frame is None or (variant is None and frame.image is None):
            return frame
        try:
            shown = await (variant or self.plain).of(frame, max_age)
        except ValueError:
            return None
        return shown if self.hub.remembers(shown) else None

    async def tick(self) -> None:
        """Once a second: late frames to those who missed them, dead viewers out, the placeholder while offline."""
        checking = next(self._ticks) % CHECK_EVERY == 0
        private = self.status.state is CameraState.PRIVACY
        for fanout in self.fanouts:
            if private:
                fanout.forget()
            fanout.catch_up()
            if checking:
                fanout.check()
        if private:
            self._last = None
        if private:
            await self._show_card("privacy is on", self.id, self.fanouts)
        elif not self.status.online:
            last = self._last
            since = time.strftime("%d %b %H:%M:%S", time.localtime(last.wall)) if last else "the start"
            await self._show_card(f"{self.id} is offline", f"no picture since {since}", self.fanouts)
        elif self.blind:
            await self._show_card(self.blind, self.id, [self.debug])
        else:
            self._card = None

    async def _show_card(self, title: str, detail: str, fanouts: Iterable[Fanout]) -> None:
        """The placeholder with these words; drawn once for as long as they stay true and somebody watches."""
        watched = [fanout for fanout in fanouts if fanout.viewers]
        if not watched:
            return
        last, status = self._last, self.status
        now, mono = self._clock.wall(), self._clock.monotonic()
        width, height = (last.width, last.height) if last else (status.width or 640, status.height or 360)
        if self._card is None or self._card[0] != (title, detail):
            drawing = self._pool.submit(placeholder.draw, title, detail, (width, height))
            self._card = (title, detail), await asyncio.wrap_future(drawing)
        number = last.number if last else 0
        data = part.build(Frame(self.id, number, mono, now, Kind.JPEG, self._card[1], width, height))
        for fanout in watched:
            fanout.send(data, mono)

    def obey(self) -> None:
        """Follow the setting `streaming`: off ends all streams."""
        if not self.streaming:
            for fanout in self.fanouts:
                fanout.close()

    async def close(self) -> None:
        """End all streams and what works for them."""
        self.debug.close()
        for variant in (self.plain, *self._variants.values()):
            await variant.close()


def find(request: web.Request, lives: Mapping[str, Live]) -> Live:
    """The camera that a path names. Raises Refused (404), the same for one that is not there and one not allowed."""
    return allowed(lives, request.match_info["camera"])


def allowed(lives: Mapping[str, Live], id: str) -> Live:
    """The camera `id`, if this visitor may see it. Raises Refused (404)."""
    live = lives.get(id)
    if live is None or not visitor().may_see(id):
        raise Refused(404, "not_found", "there is no such camera")
    return live
