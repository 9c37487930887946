"""Relay: pushes one camera's coded stream to an RTSP server, and heals itself.

The server is asked first; only when it answers is the camera's video wanted, so that no encoder works for nobody. A
server that is slow or frozen costs frames of this stream, counted, and nothing else: all of it runs on the loop, and
nothing in it blocks.
"""

import asyncio
import logging
import math
import secrets
from contextlib import ExitStack, suppress

from edgecam import aside, nal
from edgecam.clock import Clock
from edgecam.config.model import Url
from edgecam.events import Bus, CameraLost, SettingChanged
from edgecam.frame import Frame, Kind, Sound, Use
from edgecam.health import PublishState, PublishStatus
from edgecam.hub import FrameHub, Want
from edgecam.relay.backlog import Backlog, Item
from edgecam.relay.line import Line, dial
from edgecam.relay.rtp import VIDEO_CLOCK, Track
from edgecam.relay.sdp import Offer, Voice, describe
from edgecam.settings import Switches
from edgecam.supervisor import Trouble, Vitals, reason, recovered

log = logging.getLogger(__name__)

LONGEST_WAIT = 30.0
"""The supervisor's longest back-off (s)."""
STEADY = 10.0
"""Seconds of a session after which earlier failures are forgotten: a server that takes streams only to drop them is
no server that works."""
FRESH = 1.0
"""A session begins with a keyframe of the past that is not older (s); what is older would make the stream late."""
LATELY = 5.0
"""A camera that was heard within so many seconds has sound."""
SOUND_WITHIN = 2.0
"""Seconds that the first sound of a camera may come after its first picture."""
UNUSED = 3.0
"""Seconds for which a connection may wait for the camera; servers close idle ones."""

_UNFIT = "cannot be published: the camera gives JPEG pictures; H.264 or H.265 is needed, nothing is encoded"


class Relay:
    """Component; `board` is its own. One life publishes until the server fails or refuses, which it raises.

    A session ends, and the next begins at a keyframe, when the camera's format changes and when the camera is lost:
    the server then tells viewers the truth instead of showing them a frozen picture. Shorter gaps stay in the
    session; its times grow by as much as was missing. While privacy is on there is no session.
    """

    def __init__(
        self,
        *,
        id: str,
        title: str,
        url: Url,
        hub: FrameHub,
        settings: Switches,
        board: PublishStatus,
        bus: Bus,
        clock: Clock,
        vitals: Vitals,
        sound: bool = False,
    ) -> None:
        """`sound`: the camera is meant to have some, so a session waits a little for it."""
        self.name = vitals.name
        self._id, self._title, self._url, self._hub, self._settings = id, title, url, hub, settings
        self._board, self._bus, self._clock, self._vitals = board, bus, clock, vitals
        self._backlog = Backlog()
        self._voice: Voice | None = None
        self._sound, self._sounded = sound, asyncio.Event()
        self._life: asyncio.Timeout | None = None
        self._may = asyncio.Event()  # privacy is off
        self._can = asyncio.Event()  # the camera gives video, as far as we know
        self._can.set()
        self._broke = False  # the last session did not end by our will

    async def run(self) -> None:
        """One life. Raises Trouble."""
        with ExitStack() as stack:
            stack.callback(self._bus.on(SettingChanged, self._setting_changed))
            stack.callback(self._bus.on(CameraLost, self._camera_lost))
            stack.enter_context(self._hub.tap(self._frame))
            stack.enter_context(self._hub.tap_sound(self._heard))
            stack.callback(self._backlog.end)
            self._obey_privacy()
            if self._hub.newest and self._hub.newest.kind is Kind.JPEG:
                self._unfit()
            while True:
                await self._until_sensible()
                try:
                    async with asyncio.timeout(None) as life:
                        self._life = life
                        await self._publish()
                except TimeoutError:
                    if not life.expired():
                        raise
                except Trouble as error:
                    self._failed(error)
                    raise
                finally:
                    self._life = None
                    self._backlog.end()

    @property
    def waiting(self) -> int:
        """Bytes that wait for the server."""
        return self._backlog.bytes

    async def _until_sensible(self) -> None:
        """Return when privacy is off and the camera gives video, as far as we know."""
        while not (self._may.is_set() and self._can.is_set()):
            if self._may.is_set():
                self._board.state, self._board.trouble = PublishState.UNFIT, _UNFIT
                await self._can.wait()
            else:
                self._board.state, self._board.trouble = PublishState.PRIVACY, None
                await self._may.wait()

    def _failed(self, error: Trouble) -> None:
        """The second failure in a row is told: a server that is started anew is no problem."""
        if self._vitals.attempts:
            self._board.trouble = reason(error)
        if self._board.state is PublishState.PUBLISHING:
            self._broke = True
        self._board.state = PublishState.CONNECTING

    # -- the way to the server ----------------------------------------------------------------------------------

    async def _publish(self) -> None:
        """Session after session. Video is wanted from the server's first answer on, also while the camera is away."""
        self._board.state = PublishState.CONNECTING
        line = await dial(self._url, self._clock)
        try:
            with self._hub.want(Want.PUBLISH):
                self._backlog.begin(self._past())
                while True:
                    self._board.state = PublishState.WAITING
                    first = await self._backlog.next()
                    if not isinstance(first, Frame):
                        self._backlog.begin()
                        continue
                    await self._until_heard(first)
                    if not line.is_fresh(UNUSED):
                        line.hang_up()
                        line = await dial(self._url, self._clock)
                    await self._session(line, first)
                    line.hang_up()
        finally:
            line.hang_up()

    async def _until_heard(self, first: Frame) -> None:
        """A session announces all that it will carry: one that began before the first sound would have to begin anew,
        and its viewers with it.
        """
        if self._sound and not self._hub.heard(first.mono - LATELY):
            self._sounded.clear()
            with suppress(TimeoutError):
                await aside.within(self._clock, SOUND_WITHIN, self._sounded.wait())

    def _past(self) -> list[Item]:
        """What the camera gave since its last keyframe, if that was just now."""
        now, frames = self._clock.monotonic(), self._hub.ring.since(math.inf)
        if not frames or frames[0].kind is Kind.JPEG or not 0 <= now - frames[0].mono <= FRESH:
            return []
        return sorted([*frames, *self._hub.heard(frames[0].mono)], key=lambda item: item.mono)

    async def _session(self, line: Line, first: Frame) -> None:
        """Returns when the next session is to begin: the camera has changed, or is lost. Raises Trouble."""
        heard = self._hub.heard(first.mono - LATELY)
        self._voice = Voice.of(heard[-1]) if heard else None
        offer = Offer.of(first, _units(first), self._voice)
        if not offer.sets:
            raise Trouble(f"{self._id}: the camera's keyframe brings no parameter sets, nobody could decode its stream")
        tracks = [
            Track(index, clock, origin=first.mono, wall=first.wall, seed=secrets.randbits(64))
            for index, clock in enumerate([VIDEO_CLOCK, *([offer.voice.rate] if offer.voice else [])])
        ]
        await line.record(describe(offer, self._title), len(tracks))
        self._begun()
        working = {
            asyncio.create_task(self._send(line, first, offer, tracks), name=f"{self.name} sending"),
            asyncio.create_task(line.attend(), name=f"{self.name} listening"),
        }
        try:
            await asyncio.wait(working, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in working:
                task.cancel()
            ended = await asyncio.gather(*working, return_exceptions=True)
        for error in ended:
            if isinstance(error, Exception):
                raise error

    async def _send(self, line: Line, first: Frame, offer: Offer, tracks: list[Track]) -> None:
        """Everything from `first` on, until a keyframe needs another offer or nothing more comes."""
        item: Item | None = first
        told = first.mono
        while item is not None:
            if isinstance(item, Frame):
                units = _units(item)
                if item.keyframe:
                    if offer.after(item, units, self._voice) != offer:
                        log.info("%s: the camera's stream has another format now and is published anew", self._id)
                        self._backlog.back(item)
                        return
                    if not nal.parameter_sets(item.kind, units):
                        units = [*offer.sets, *units]
                await line.send(tracks[0].video(item, units))
                self._sent(item, first)
                if item.mono - told >= line.pause:
                    told = item.mono
                    line.still_here()
            elif Voice.of(item) == offer.voice and item.mono >= first.mono:
                await line.send(tracks[1].sound(item))
                self._board.bytes += len(item.data)
            item = await self._backlog.next()

    # -- what is told -------------------------------------------------------------------------------------------

    def _begun(self) -> None:
        board = self._board
        board.state = PublishState.PUBLISHING
        board.sessions += 1
        board.reconnects += self._broke
        self._broke = False
        if not self._vitals.attempts:
            log.info("%s: published to %s", self._id, self._url.safe)

    def _sent(self, frame: Frame, first: Frame) -> None:
        board = self._board
        board.frames += 1
        board.bytes += len(frame.data)
        if frame.mono - first.mono >= STEADY and (self._vitals.attempts or board.trouble):
            attempts = recovered(self._vitals)
            board.trouble = None
            log.info("%s: published to %s again, steadily, after %d attempts", self._id, self._url.safe, attempts)

    # -- what happens -------------------------------------------------------------------------------------------

    def _frame(self, frame: Frame) -> None:
        if not frame.is_coded or frame.use is Use.MOTION:
            return
        if frame.kind is Kind.JPEG:
            self._unfit()
            return
        if not self._can.is_set():
            self._board.trouble = None
            self._can.set()
        self._board.dropped += not self._backlog.put(frame)

    def _unfit(self) -> None:
        """The camera gives no video; told once, and taken back when it does after all."""
        if self._can.is_set():
            self._can.clear()
            log.warning("%s: %s", self._id, _UNFIT)
            self._end_life()

    def _heard(self, sound: Sound) -> None:
        self._voice = Voice.of(sound)
        self._sounded.set()
        self._backlog.put(sound)

    def _camera_lost(self, lost: CameraLost) -> None:
        if lost.camera == self._id:
            self._backlog.end()

    def _setting_changed(self, change: SettingChanged) -> None:
        if (change.camera, change.key) == (self._id, "privacy"):
            self._obey_privacy()

    def _obey_privacy(self) -> None:
        if not self._settings.on(self._id, "privacy"):
            self._may.set()
        else:
            self._may.clear()
            self._backlog.end()
            self._end_life()

    def _end_life(self) -> None:
        if self._life is not None:
            life, self._life = self._life, None
            life.reschedule(asyncio.get_running_loop().time())


def _units(frame: Frame) -> list[bytes]:
    """Raises Trouble for a frame that cannot be read."""
    try:
        return nal.units(frame)
    except ValueError as error:
        raise Trouble(f"{frame.camera}: {error}") from None
