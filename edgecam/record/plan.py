"""Plan: which frames, and which sound, make which clip.

Pure. Frames, sound and motion in, actions out, all times monotonic seconds of capture. The rules:

* A clip begins with the keyframe at or before `pre` seconds before the motion. It may repeat the last seconds of the
  clip before: every clip shows its whole pre-roll, and back-to-back events leave no hole.
* It ends `post` seconds after the last moving frame. Later frames are held until motion resumes (then they are
  written) or the event is over (then they are forgotten).
* After `longest` seconds it goes on as the next part of the same event, from the keyframe nearest to that, without
  losing or repeating a frame; so it does when size or coding change. It also ends where it should when the held frames
  of a long cooldown would not fit into `hold` bytes: motion that then resumes begins the next part, with pre-roll.
* A packet of sound is in the clip in which it begins. Sound is known later than the picture, so a frame is held until
  the sound has come up to it, but no longer than SOUND_LATE. Whether a clip has sound is decided when it is begun.
* Recording without end is an event that never ends (`Plan.endless`), in parts.
"""

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgecam.frame import Frame, Sound

LATE = 1.0
"""Seconds that a frame may need from its capture to the plan."""

SOUND_LATE = 2.0
"""Seconds that sound may come later than the frame beside it: sound servers pass it on in large pieces."""

RECENT = 2.0
"""A clip has sound when some was heard so many seconds before it begins, or since."""

_MOST_SOUND = 16_384
"""Packets that wait for their frames: some minutes, and 3 MB."""


@dataclass(frozen=True, slots=True)
class Open:
    """Begin a clip; `first` is the frame that the next Write brings."""

    first: Frame
    event_id: str | None
    part: int
    sound: Sound | None = None
    """Sound like this will come with the frames."""


@dataclass(frozen=True, slots=True)
class Write:
    """Append a frame."""

    frame: Frame


@dataclass(frozen=True, slots=True)
class WriteSound:
    """Append a packet of sound."""

    sound: Sound


@dataclass(frozen=True, slots=True)
class Close:
    """The clip is complete. `until`: where its last frame ends, when the next part begins there."""

    until: float | None = None


Action = Open | Write | WriteSound | Close


@dataclass(slots=True)
class _Event:
    id: str | None
    last_moving: float
    parts: int = 0
    over: bool = False


@dataclass(slots=True)
class _Clip:
    first: Frame
    last: Frame
    sound: Sound | None
    step: float = 0.0
    """Seconds from the last frame but one to the last."""
    keyframe: float = 0.0
    """When its newest keyframe was captured,"""
    group: float = 0.0
    """and how long after the one before."""


class Plan:
    """One camera's clips. The caller carries out the actions in order. Not thread-safe.

    `since(mono)` gives the newest frames from the last keyframe at or before `mono` on (FrameHub.ring.since),
    `heard(mono)` the sound from then on (FrameHub.heard).
    """

    def __init__(
        self,
        *,
        pre: float,
        post: float,
        longest: float,
        hold: int,
        since: Callable[[float], Sequence[Frame]],
        heard: Callable[[float], Sequence[Sound]] = lambda _: (),
    ) -> None:
        self._pre, self._post, self._longest, self._hold = pre, post, longest, hold
        self._since, self._heard = since, heard
        self._event: _Event | None = None
        self._clip: _Clip | None = None
        self._held: deque[Frame] = deque()
        self._held_bytes = 0
        self._sounds: deque[Sound] = deque(maxlen=_MOST_SOUND)  # of the open clip, not yet written, in order
        self._sound: Sound | None = None  # the newest
        self._written = -1  # number of the newest frame that was written
        self._newest = -1  # number of the newest frame that was taken from the ring or given by the caller
        self.allowed = True
        """False: no clip is begun; `stop` closes the open one. Set again in a running event, motion opens the next."""

    @classmethod
    def endless(
        cls,
        length: float,
        *,
        hold: int,
        since: Callable[[float], Sequence[Frame]],
        heard: Callable[[float], Sequence[Sound]] = lambda _: (),
    ) -> "Plan":
        """Records whatever comes, in parts of `length` seconds."""
        plan = cls(pre=0.0, post=0.0, longest=length, hold=hold, since=since, heard=heard)
        plan._event = _Event(None, math.inf)
        return plan

    @property
    def event(self) -> str | None:
        """The event whose clip is or may be open."""
        return self._event.id if self._event else None

    def started(self, event_id: str, mono: float) -> list[Action]:
        """Motion began at `mono`. A clip that still waits for the end of its post-roll makes room at once."""
        actions = self._close()
        self._event = _Event(event_id, mono)
        return actions + self._open(mono)

    def moving(self, mono: float) -> list[Action]:
        """Motion was seen in the frame of `mono`: known late, and told as often as one likes."""
        if self._event is None or mono <= self._event.last_moving:
            return []
        self._event.last_moving = mono
        return self._release() if self._clip else self._open(mono)

    def ended(self) -> list[Action]:
        """The event is over; its clip gets the rest of its post-roll."""
        if self._event is None:
            return []
        self._event.over = True
        if self._clip is None:
            self._event = None
        return self._release()

    def frame(self, frame: Frame) -> list[Action]:
        """A new frame, in order."""
        if frame.number <= self._newest:
            return []  # came out of the ring when the clip was opened
        self._newest = frame.number
        if self._event is None:
            return []
        if self._clip is None:
            return self._open(frame.mono)
        self._keep(frame)
        return self._release()

    def sound(self, sound: Sound) -> list[Action]:
        """A new packet of sound."""
        self._sound = sound
        if self._clip is None:
            return []
        if sound.mono >= self._clip.first.mono:
            while self._sounds and self._sounds[-1].mono >= sound.mono:
                self._sounds.pop()  # told anew, or told wrong
            self._sounds.append(sound)
        return self._release()

    def tick(self, now: float) -> list[Action]:
        """Time passes, perhaps without frames: the camera may be lost before the post-roll is complete."""
        late = LATE + SOUND_LATE if self._clip and self._clip.sound else LATE
        if self._event and self._event.over and now > self._event.last_moving + self._post + late:
            return self._finish()
        return []

    def stop(self) -> list[Action]:
        """The clip ends here, whatever moves. An event that still runs is remembered."""
        return self._finish() if self._event and self._event.over else self._close()

    def _open(self, now: float) -> list[Action]:
        """Begin the next clip of the event, if its motion is fresh, out of the ring."""
        event = self._event
        if event is None or not self.allowed or now > event.last_moving + self._post:
            return []
        frames = list(self._since(event.last_moving - self._pre))
        if event.id is None:  # each frame once
            frames = [frame for frame in frames if frame.number > self._written]
        while frames and not frames[0].keyframe:
            del frames[0]
        if not frames:
            return []
        self._newest = max(self._newest, frames[-1].number)
        for frame in frames:
            self._keep(frame)
        self._sounds.extend(self._heard(frames[0].mono))
        return [self._begin(event, frames[0]), *self._release()]

    def _begin(self, event: _Event, first: Frame) -> Open:
        event.parts += 1
        sound = self._sound if self._sound and self._sound.mono >= first.mono - RECENT else None
        self._clip = _Clip(first, first, sound, keyframe=first.mono)
        return Open(first, event.id, event.parts, sound)

    def _keep(self, frame: Frame) -> None:
        self._held.append(frame)
        self._held_bytes += len(frame.data)

    def _take(self) -> Frame:
        frame = self._held.popleft()
        self._held_bytes -= len(frame.data)
        return frame

    def _release(self) -> list[Action]:
        """Write the held frames that are due; close the clip when it has all it can get."""
        event, actions = self._event, list[Action]()
        if event is None or self._clip is None:
            return actions
        end = event.last_moving + self._post
        while self._held and self._held[0].mono <= end and self._is_heard(self._clip, self._held[0]):
            actions += self._write(event, self._clip, self._take())
        if event.over and self._held and self._held[0].mono > end and self._is_heard(self._clip, self._held[0]):
            actions += self._finish()
        elif self._held_bytes > self._hold:
            actions += self._close()
        return actions

    def _is_heard(self, clip: _Clip, frame: Frame) -> bool:
        """Whether the sound up to a held frame is here, or waited for long enough."""
        if clip.sound is None or self._sound is None or self._held_bytes > self._hold / 2:
            return True
        return self._sound.mono + self._sound.duration >= frame.mono or self._held[-1].mono - frame.mono >= SOUND_LATE

    def _write(self, event: _Event, clip: _Clip, frame: Frame) -> list[Action]:
        changed = coding(frame) != coding(clip.last)
        if changed and not frame.keyframe:
            return []  # belongs to neither part
        sound = self._write_sound(clip, frame.mono)
        if changed or (frame.keyframe and frame is not clip.first and self._is_long(clip, frame.mono)):
            return [*sound, Close(frame.mono), self._begin(event, frame), Write(frame)]
        clip.step, clip.last, self._written = frame.mono - clip.last.mono, frame, frame.number
        return [*sound, Write(frame)]

    def _is_long(self, clip: _Clip, mono: float) -> bool:
        """Whether the keyframe of `mono` is nearer to the length that a part may have than the next one will be."""
        clip.group, clip.keyframe = mono - clip.keyframe, mono
        return mono - clip.first.mono + clip.group / 2 > self._longest

    def _write_sound(self, clip: _Clip, until: float) -> list[Action]:
        """The sound that begins before `until`; what is coded otherwise than at the clip's begin is left out."""
        due = list[Action]()
        while self._sounds and self._sounds[0].mono < until:
            sound = self._sounds.popleft()
            if clip.sound and tone(sound) == tone(clip.sound):
                due.append(WriteSound(sound))
        return due

    def _close(self) -> list[Action]:
        """Write what only waited for its sound, forget the rest."""
        actions = list[Action]()
        while self._event and self._clip and self._held and self._held[0].mono <= self._event.last_moving + self._post:
            actions += self._write(self._event, self._clip, self._take())
        if self._clip:
            until = self._held[0].mono if self._held else self._clip.last.mono + self._clip.step
            actions += [*self._write_sound(self._clip, until), Close()]
        self._clip = None
        self._held.clear()
        self._held_bytes = 0
        self._sounds.clear()
        return actions

    def _finish(self) -> list[Action]:
        actions = self._close()
        self._event = None
        return actions


def coding(frame: Frame) -> tuple[object, ...]:
    """What must stay the same within one file."""
    return frame.kind, frame.width, frame.height, frame.extradata


def tone(sound: Sound) -> tuple[object, ...]:
    """What must stay the same within one track."""
    return sound.rate, sound.channels, sound.extradata
