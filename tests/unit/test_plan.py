"""Which frames and which sound a user finds in which clip. One frame a second, its number is its time."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecam.frame import Frame, Kind, Sound
from edgecam.hub import Ring
from edgecam.record.plan import LATE, RECENT, SOUND_LATE, Action, Close, Open, Plan, Write, WriteSound


def picture(number: int, *, key: bool = True, width: int = 640, mono: float | None = None) -> Frame:
    return Frame("cam", number, number if mono is None else mono, 0.0, Kind.JPEG, b"x" * 10, width, 480, key)


def tone(mono: float, extradata: bytes = b"asc") -> Sound:
    return Sound("cam", mono, b"~", 1.0, 1024, 1, extradata)


class Stage:
    """A plan with its ring, and the clips it makes as text: `a.1: 3 4 ~4.5 5 |` (a closed part of event a; `~4.5` is
    the sound that begins at 4.5, `a.1~:` a clip with a track for it).
    """

    def __init__(
        self, *, pre: float = 2, post: float = 2, longest: float = 100, hold: int = 1000, gop: int = 1
    ) -> None:
        self.ring = Ring(pre + 4)  # the frames before the motion, and those until it is known
        self.tones: list[Sound] = []
        self.plan = Plan(pre=pre, post=post, longest=longest, hold=hold, since=self.ring.since, heard=self.heard)
        self.gop = gop
        self.now = -1
        self.story: list[str] = []
        self.seams: list[float | None] = []

    def do(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Open(_, event, part, sound):
                    self.story.append(f"{event}.{part}{'~' if sound else ''}:")
                case WriteSound(sound):
                    self.story[-1] += f" ~{sound.mono:g}"
                case Write(frame):
                    self.story[-1] += f" {frame.number}"
                case Close(until):
                    self.story[-1] += " |"
                    self.seams.append(until)

    def heard(self, mono: float) -> list[Sound]:
        return [sound for sound in self.tones if sound.mono >= mono]

    def sound(self, *monos: float, extradata: bytes = b"asc") -> None:
        for mono in monos:
            self.tones.append(tone(mono, extradata))
            self.do(self.plan.sound(self.tones[-1]))

    def frame(self, frame: Frame) -> None:
        self.ring.add(frame)
        self.do(self.plan.frame(frame))

    def frames(self, upto: int, **looks: int) -> None:
        """Frames up to number `upto`."""
        while self.now < upto:
            self.now += 1
            self.frame(picture(self.now, key=self.now % self.gop == 0, **looks))


Scene = Callable[[Stage], None]


def one_event(stage: Stage) -> None:
    stage.frames(10)
    stage.do(stage.plan.started("a", 9))
    stage.do(stage.plan.moving(12))
    stage.frames(30)
    stage.do(stage.plan.ended())


def test_a_clip_has_its_pre_roll_and_ends_post_after_the_last_moving_frame() -> None:
    stage = Stage()
    one_event(stage)
    assert stage.story == ["a.1: 7 8 9 10 11 12 13 14 |"]


def test_with_longer_gops_it_begins_at_the_keyframe_before() -> None:
    stage = Stage(gop=5)
    one_event(stage)
    assert stage.story == ["a.1: 5 6 7 8 9 10 11 12 13 14 |"]


def test_the_clip_stays_open_until_the_event_ends() -> None:
    stage = Stage()
    stage.frames(10)
    stage.do(stage.plan.started("a", 10))
    stage.frames(30)
    assert stage.story == ["a.1: 8 9 10 11 12"]
    stage.do(stage.plan.ended())
    assert stage.story == ["a.1: 8 9 10 11 12 |"]


def test_a_pause_shorter_than_the_cooldown_is_in_the_clip_when_motion_resumes() -> None:
    stage = Stage()
    stage.frames(10)
    stage.do(stage.plan.started("a", 10))
    stage.frames(18)
    stage.do(stage.plan.moving(18))
    stage.frames(30)
    stage.do(stage.plan.ended())
    assert stage.story == ["a.1: 8 9 10 11 12 13 14 15 16 17 18 19 20 |"]


def test_when_the_cooldown_is_shorter_than_post_the_clip_gets_its_whole_post_roll() -> None:
    stage = Stage(post=5)
    stage.frames(10)
    stage.do(stage.plan.started("a", 10))
    stage.frames(12)
    stage.do(stage.plan.ended())
    assert stage.story == ["a.1: 8 9 10 11 12"]
    stage.frames(30)
    assert stage.story == ["a.1: 8 9 10 11 12 13 14 15 |"]


@pytest.mark.parametrize(
    ("gop", "parts"),
    [
        (1, ["a.1: 8 9 10 11 12 |", "a.2: 13 14 15 16 17 |", "a.3: 18 19 20 21 22 |"]),
        (3, ["a.1: 6 7 8 9 10 11 |", "a.2: 12 13 14 15 16 17 |", "a.3: 18 19 20 21 22 |"]),
    ],
)
def test_a_long_event_goes_on_in_the_next_part_without_losing_or_repeating_a_frame(gop: int, parts: list[str]) -> None:
    stage = Stage(longest=5, gop=gop)
    stage.frames(10)
    stage.do(stage.plan.started("a", 10))
    stage.do(stage.plan.moving(20))
    stage.frames(30)
    stage.do(stage.plan.ended())
    assert stage.story == parts
    assert [seam for seam in stage.seams if seam] == [int(part.split()[1]) for part in parts[1:]]


def test_a_camera_that_changes_its_size_goes_on_in_the_next_part() -> None:
    stage = Stage()
    stage.frames(10)
    stage.do(stage.plan.started("a", 10))
    stage.do(stage.plan.moving(14))
    stage.frames(12)
    stage.frame(picture(13, key=False, width=320))  # belongs to neither
    stage.now = 13
    stage.frames(16, width=320)
    assert stage.story == ["a.1: 8 9 10 11 12 |", "a.2: 14 15 16"]


def test_events_that_follow_directly_leave_no_hole_and_each_has_its_pre_roll() -> None:
    stage = Stage(post=6)
    stage.frames(10)
    stage.do(stage.plan.started("a", 10))
    stage.frames(13)
    stage.do(stage.plan.ended())
    stage.frames(14)
    stage.do(stage.plan.started("b", 14))
    stage.frames(30)
    stage.do(stage.plan.ended())
    assert stage.story == ["a.1: 8 9 10 11 12 13 14 |", "b.1: 12 13 14 15 16 17 18 19 20 |"]


def test_a_cooldown_too_long_for_memory_ends_the_part_and_resuming_motion_begins_the_next() -> None:
    stage = Stage(hold=50)
    stage.frames(10)
    stage.do(stage.plan.started("a", 10))
    stage.frames(25)
    assert stage.story == ["a.1: 8 9 10 11 12 |"]
    stage.do(stage.plan.moving(25))
    stage.frames(40)
    stage.do(stage.plan.ended())
    assert stage.story[1:] == ["a.2: 23 24 25 26 27 |"]


def test_recording_switched_off_ends_the_clip_and_on_again_resumes_with_the_motion() -> None:
    stage = Stage()
    stage.frames(10)
    stage.do(stage.plan.started("a", 10))
    stage.plan.allowed = False
    stage.do(stage.plan.stop())
    stage.frames(11)
    assert stage.story == ["a.1: 8 9 10 |"]
    assert stage.plan.event == "a"
    stage.plan.allowed = True
    stage.frames(20)
    stage.do(stage.plan.ended())
    assert stage.story[1:] == ["a.2: 8 9 10 11 12 |"]


def test_nothing_is_recorded_while_recording_is_off() -> None:
    stage = Stage()
    stage.plan.allowed = False
    one_event(stage)
    assert stage.story == []
    assert stage.plan.event is None


def test_a_camera_lost_in_the_post_roll_does_not_leave_the_clip_open() -> None:
    stage = Stage(post=5)
    stage.frames(10)
    stage.do(stage.plan.started("a", 10))
    stage.do(stage.plan.ended())
    stage.do(stage.plan.tick(15.5))  # a frame of 15.0 may still be on its way
    assert stage.story == ["a.1: 8 9 10"]
    stage.do(stage.plan.tick(16.1))
    assert stage.story == ["a.1: 8 9 10 |"]
    assert stage.plan.event is None


def test_stopping_in_the_post_roll_ends_the_clip_and_its_event() -> None:
    stage = Stage(post=5)
    stage.frames(10)
    stage.do(stage.plan.started("a", 10))
    stage.do(stage.plan.ended())
    stage.do(stage.plan.stop())
    assert stage.story == ["a.1: 8 9 10 |"]
    assert stage.plan.event is None


def test_motion_before_the_first_keyframe_is_recorded_from_that_keyframe_on() -> None:
    stage = Stage(gop=5, post=4)
    stage.plan = Plan(pre=2, post=4, longest=100, hold=1000, since=lambda _: [picture(stage.now, key=stage.now == 3)])
    stage.do(stage.plan.started("a", 1))
    stage.frames(2)
    assert stage.story == []
    stage.frames(3)
    assert stage.story == ["a.1: 3"]


def test_motion_without_an_event_and_ends_without_a_start_mean_nothing() -> None:
    stage = Stage()
    stage.frames(3)
    stage.do(stage.plan.moving(3))
    stage.do(stage.plan.ended())
    stage.do(stage.plan.tick(100))
    stage.do(stage.plan.stop())
    assert stage.story == []


def test_a_frame_that_came_out_of_the_ring_is_not_written_twice() -> None:
    stage = Stage()
    stage.frames(10)
    stage.do(stage.plan.started("a", 10))
    stage.do(stage.plan.frame(picture(10)))
    assert stage.story == ["a.1: 8 9 10"]


@given(
    motion=st.lists(st.integers(5, 80), min_size=1, max_size=20),
    gop=st.integers(1, 7),
    longest=st.integers(3, 30),
    late=st.integers(0, 3),
)
def test_one_event_holds_every_frame_exactly_once(motion: list[int], gop: int, longest: int, late: int) -> None:
    """Whatever moves when, and however late it is known: from the pre-roll to the post-roll there is no hole."""
    stage = Stage(longest=longest, gop=gop, hold=10**6, post=late + 1)
    first, last = min(motion), max(motion)
    stage.frames(first + late)
    stage.do(stage.plan.started("a", first))
    for at in sorted(motion):
        stage.frames(at + late)
        stage.do(stage.plan.moving(at))
    stage.frames(200)
    stage.do(stage.plan.ended())
    written = [int(word) for part in stage.story for word in part.split()[1:-1]]
    begin = max(0, (first - 2) // gop * gop)
    assert written == list(range(begin, last + late + 2))
    assert all(int(part.split()[1]) % gop == 0 for part in stage.story)


# -- sound -----------------------------------------------------------------------------------------------------------


def sounding(stage: Stage, upto: int, late: int = 0) -> None:
    """Frames up to number `upto`; sound comes in the middle between two, `late` frames after it was heard."""
    while stage.now < upto:
        stage.frames(stage.now + 1)
        if stage.now >= late:
            stage.sound(stage.now - late + 0.5)


def test_sound_is_cut_as_the_frames_are() -> None:
    stage = Stage()
    sounding(stage, 10)
    stage.do(stage.plan.started("a", 9))
    stage.do(stage.plan.moving(10))
    sounding(stage, 20)
    assert stage.story == ["a.1~: 7 ~7.5 8 ~8.5 9 ~9.5 10 ~10.5 11 ~11.5 12"]
    stage.do(stage.plan.ended())
    assert stage.story == ["a.1~: 7 ~7.5 8 ~8.5 9 ~9.5 10 ~10.5 11 ~11.5 12 ~12.5 |"]


def test_sound_of_a_pause_is_in_the_clip_when_motion_resumes() -> None:
    stage = Stage()
    sounding(stage, 10)
    stage.do(stage.plan.started("a", 10))
    sounding(stage, 20)
    stage.do(stage.plan.moving(17))
    stage.do(stage.plan.ended())
    heard = " ".join(f"{n} ~{n}.5" for n in range(8, 20))
    assert stage.story == [f"a.1~: {heard} |"]


@pytest.mark.parametrize("late", [0, 1])
def test_parts_follow_each_other_without_losing_or_repeating_sound_even_when_it_is_late(late: int) -> None:
    stage = Stage(longest=5)
    sounding(stage, 10, late)
    stage.do(stage.plan.started("a", 10))
    stage.do(stage.plan.moving(20))
    sounding(stage, 30, late)
    stage.do(stage.plan.ended())
    assert stage.story == [
        "a.1~: 8 ~8.5 9 ~9.5 10 ~10.5 11 ~11.5 12 ~12.5 |",
        "a.2~: 13 ~13.5 14 ~14.5 15 ~15.5 16 ~16.5 17 ~17.5 |",
        "a.3~: 18 ~18.5 19 ~19.5 20 ~20.5 21 ~21.5 22 ~22.5 |",
    ]


def test_sound_that_stops_does_not_stop_the_picture() -> None:
    stage = Stage()
    sounding(stage, 10)
    stage.do(stage.plan.started("a", 10))
    stage.do(stage.plan.moving(30))
    stage.frames(15)
    assert stage.story == ["a.1~: 8 ~8.5 9 ~9.5 10 ~10.5 11 12 13"]
    stage.do(stage.plan.stop())
    assert stage.story == ["a.1~: 8 ~8.5 9 ~9.5 10 ~10.5 11 12 13 14 15 |"]


def test_a_clip_begins_with_a_picture_however_late_the_sound_is() -> None:
    stage = Stage(pre=0)
    stage.sound(8.5)
    stage.frames(10)
    stage.do(stage.plan.started("a", 10))
    assert stage.story == ["a.1~:"]
    stage.sound(9.5, 10.5, 11.5)
    stage.frames(12)
    assert stage.story == ["a.1~: 10 ~10.5 11 ~11.5 12"]


def test_frames_too_large_to_wait_for_their_sound_do_not_end_the_clip() -> None:
    stage = Stage(hold=30)
    sounding(stage, 10)
    stage.do(stage.plan.started("a", 10))
    stage.do(stage.plan.moving(30))
    stage.frames(20)
    assert stage.story == ["a.1~: 8 ~8.5 9 ~9.5 10 ~10.5 " + " ".join(map(str, range(11, 20)))]


def test_a_clip_has_a_track_for_sound_only_when_some_was_heard_of_late() -> None:
    stage = Stage(pre=0, post=3)
    stage.sound(3.0)
    stage.frames(3 + int(RECENT))
    stage.do(stage.plan.started("a", stage.now))
    stage.frames(stage.now + 1)
    stage.do(stage.plan.started("b", stage.now))
    stage.sound(6.5)
    stage.frames(stage.now + 1)
    assert stage.story == ["a.1~: 5 6 |", "b.1: 6 7"]


def test_sound_that_is_coded_otherwise_waits_for_the_next_part() -> None:
    stage = Stage(longest=3)
    stage.sound(2.5)
    stage.frames(3)
    stage.do(stage.plan.started("a", 3))
    stage.do(stage.plan.moving(6))
    for mono in (3.5, 4.5, 5.5):
        stage.sound(mono, extradata=b"new")
        stage.frames(stage.now + 1)
    assert stage.story == ["a.1~: 1 2 ~2.5 3 |", "a.2~: 4 ~4.5 5 ~5.5 6"]


def test_sound_that_is_told_twice_or_for_another_time_is_in_the_clip_once() -> None:
    stage = Stage()
    sounding(stage, 10)
    stage.do(stage.plan.started("a", 10))
    stage.do(stage.plan.moving(20))
    stage.sound(99.0, 10.6, 10.6, 10.55)
    stage.frames(11)
    stage.sound(11.5)
    stage.frames(12)
    assert stage.story == ["a.1~: 8 ~8.5 9 ~9.5 10 ~10.5 ~10.55 11 ~11.5 12"]


def test_the_last_sound_of_a_clip_is_waited_for_as_any_other() -> None:
    stage = Stage()
    sounding(stage, 13, late=2)
    stage.do(stage.plan.started("a", 11))
    stage.do(stage.plan.ended())
    stage.frames(14)
    stage.do(stage.plan.tick(14.1))
    stage.sound(12.5, 13.5)
    assert stage.story == ["a.1~: 9 ~9.5 10 ~10.5 11 ~11.5 12 ~12.5 13 ~13.5 |"]


def test_a_camera_lost_while_a_frame_waits_for_its_sound_keeps_the_frame() -> None:
    stage = Stage(post=5)
    sounding(stage, 10)
    stage.do(stage.plan.started("a", 10))
    stage.frames(12)
    stage.do(stage.plan.ended())
    stage.do(stage.plan.tick(15.1 + LATE + SOUND_LATE))
    assert stage.story == ["a.1~: 8 ~8.5 9 ~9.5 10 ~10.5 11 12 |"]
