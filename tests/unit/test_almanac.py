"""The almanac: whether the clock can be believed, and what media is called while it cannot."""

import pytest

from edgecam.almanac import BUILT, DATING, FAR, PATIENCE, STARTING, Almanac, Birth, span, trusted
from edgecam.media import MediaId, MediaKind, Sidecar
from fakes import SLEPT, FakeClock

BOOT = "1a2b3c4d"
NOW = 1_790_000_000.0
HOUR = 3600.0


def almanac(clock: FakeClock, *, newest: float = 0.0, kernel: bool | None = None) -> Almanac:
    return Almanac(clock, boot=BOOT, newest=newest, kernel=lambda: kernel)


def settled(clock: FakeClock) -> Almanac:
    """One whose things all have the right name by now."""
    found = almanac(clock)
    found.settled = found.turns
    return found


def media(birth: Birth, **more: object) -> Sidecar:
    """What is told of a clip that began then."""
    facts = Sidecar(
        id=birth.id("cam", MediaKind.EVENT).text, camera="cam", kind=MediaKind.EVENT, start=birth.start,
        end=birth.start + 10, clock=birth.clock, boot=birth.boot, boottime=birth.boottime, duration=10, codec="h264",
        width=1, height=1, size=1, sha256="", md5="", cause="motion",
    )  # fmt: skip
    return facts.model_copy(update=more)


# -- whether it is right -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wall", "newest", "kernel", "doubt"),
    [
        (NOW, 0.0, None, None),
        (NOW, 0.0, False, None),  # nobody keeps it right: a note, no more; containers are always like that
        (NOW, NOW - 5, None, None),
        (0.0, 0.0, True, "the clock is earlier than edgecam itself"),
        (BUILT - 1, 0.0, None, "the clock is earlier than edgecam itself"),
        (NOW, NOW + 60, None, "the clock is earlier than when edgecam ran last"),
        (NOW, NOW + 60, False, "the clock is earlier than when edgecam ran last"),
        (NOW, NOW + 60, True, None),  # somebody keeps it right: that file is of a day with a wrong clock
    ],
)
def test_a_clock_is_wrong_when_it_is_earlier_than_what_was_before(
    wall: float, newest: float, kernel: bool | None, doubt: str | None
) -> None:
    assert almanac(FakeClock(wall), newest=newest, kernel=kernel).doubt == doubt


@pytest.mark.parametrize(
    ("ahead", "doubt"),
    [
        (0.0, None),
        (FAR, None),
        (-FAR, None),
        (FAR + 1, "the clock is 5 min behind the store's"),
        (2 * HOUR + 180, "the clock is 2 h 3 min behind the store's"),
        (-86400.0, "the clock is 1 d ahead of the store's"),
    ],
)
def test_a_clock_is_wrong_when_a_store_says_so(ahead: float, doubt: str | None) -> None:
    judge = almanac(FakeClock(NOW))
    judge.heard(ahead)
    assert judge.doubt == doubt


def test_a_store_that_agrees_outweighs_a_file_of_the_future() -> None:
    judge = almanac(FakeClock(NOW), newest=NOW + HOUR)
    judge.heard(1.0)
    assert judge.doubt is None


def test_a_store_that_agrees_on_1970_is_not_believed() -> None:
    judge = almanac(FakeClock(100.0))
    judge.heard(0.0)
    assert judge.doubt == "the clock is earlier than edgecam itself"


def test_the_clock_is_right_once_it_is_set_without_asking_the_store_again() -> None:
    clock = FakeClock(NOW)
    judge = almanac(clock)
    judge.heard(HOUR)
    assert not judge.look()
    clock.step(HOUR)
    assert judge.look()
    assert judge.doubt is None
    clock.step(-HOUR)
    assert judge.look()
    assert judge.doubt == "the clock is 1 h behind the store's"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (7380, "2 h 3 min"), (90000, "1 d 1 h"), (1.79e9, "56 years 277 d")],
)
def test_a_span_of_time_reads_like_one(seconds: float, words: str) -> None:
    assert span(seconds) == words


# -- what may be uploaded ----------------------------------------------------------------------------------------------


def test_uploads_are_held_for_a_quarter_of_an_hour_and_no_longer() -> None:
    clock = FakeClock(100.0)
    judge = settled(clock)
    assert judge.hold == "the clock is earlier than edgecam itself; uploads are held until it is set, at most 15 min"
    clock.tick(PATIENCE - 1)
    assert judge.hold
    clock.tick(1)
    assert judge.hold is None


def test_uploads_are_held_until_every_name_is_what_it_should_be() -> None:
    clock = FakeClock(NOW)
    judge = settled(clock)
    assert judge.hold is None
    judge.heard(HOUR)
    clock.tick(PATIENCE)
    assert judge.hold == DATING
    judge.settled = judge.turns
    assert judge.hold is None


def test_at_the_start_nobody_says_that_the_clock_was_set() -> None:
    judge = almanac(FakeClock())
    assert judge.hold == STARTING
    judge.settled = judge.turns
    assert judge.hold is None


@pytest.mark.parametrize(("step", "held"), [(1.0, None), (-FAR, None), (FAR + 1, DATING), (-HOUR, DATING)])
def test_a_clock_that_is_set_makes_names_doubtful(step: float, held: str | None) -> None:
    clock = FakeClock(NOW)
    judge = settled(clock)
    clock.step(step)
    assert not judge.look()
    assert judge.hold == held


# -- what things are called --------------------------------------------------------------------------------------------


def test_who_has_no_almanac_trusts_the_clock() -> None:
    assert trusted(NOW, 5.0) == Birth(NOW)
    assert trusted(NOW, 5.0).id("cam", MediaKind.MANUAL).text.startswith("20260921T141320000Z-cam-manual-")


def test_the_name_of_what_begins_is_its_time_or_the_age_of_the_boot() -> None:
    clock = FakeClock(NOW, monotonic=1000.0)
    assert almanac(clock).birth(NOW - 5, 995.0) == Birth(NOW - 5, "synced", BOOT, 995.0 + SLEPT)
    clock.step(-NOW)
    birth = almanac(clock).birth(-5.0, 995.0)
    assert birth == Birth(-5.0, "unsynced", BOOT, 995.0 + SLEPT)
    id = birth.id("cam", MediaKind.TIMELAPSE, still=True)
    assert id.text.startswith("unsynced-1a2b3c4d-00001495-cam-timelapse-")
    assert (id.unsynced, id.boot, id.still, id.start, id.day) == (True, BOOT, True, 1495.0, "1970-01-01")


@pytest.mark.parametrize(("shown", "start"), [(NOW - 5.25, NOW - 5.25), (NOW - 86400, NOW - 5)])
def test_a_frame_of_before_the_clock_was_set_gets_the_time_of_now(shown: float, start: float) -> None:
    """Small differences are the even pace of the frames."""
    assert almanac(FakeClock(NOW, monotonic=1000.0)).birth(shown, 995.0).start == start


@pytest.mark.parametrize(
    ("began_at", "heard", "now", "better"),
    [
        (NOW, None, NOW, None),
        (NOW, 0.0, NOW, None),
        (100.0, None, 200.0, None),  # named so already
        (100.0, None, NOW, "synced"),  # at last
        (NOW - HOUR, None, NOW, "synced"),  # it was believed, and then it was set
        (NOW - HOUR, HOUR, NOW - HOUR, "unsynced"),  # it was believed, and the store knows better
        (NOW - HOUR, 0.0, NOW, "synced"),
        (NOW, None, 100.0, None),  # somebody set it to nonsense: what was recorded before is right
        (NOW, HOUR, NOW - HOUR, None),
    ],
)
def test_a_wrong_name_is_replaced_by_what_is_known(
    began_at: float, heard: float | None, now: float, better: str | None
) -> None:
    """A clip began while the clock said `began_at`; it is set to `now`, and then a store is `heard`."""
    clock = FakeClock(began_at)
    judge = almanac(clock)
    facts = media(judge.birth(began_at, clock.monotonic()))
    clock.step(now - began_at)
    judge.look()
    if heard is not None:
        judge.heard(heard)
    birth = judge.better(facts)
    assert (birth and birth.clock) == better
    if birth:
        assert birth.boottime == facts.boottime
        assert birth.start == (now if better == "synced" else began_at)


def test_what_began_by_a_clock_that_is_wrong_since_long_loses_its_date() -> None:
    """It was set to nonsense between two looks."""
    clock = FakeClock(NOW)
    judge = almanac(clock)
    clock.step(-NOW)
    facts = media(Birth(0.0, "synced", BOOT, clock.boottime()))
    judge.look()
    birth = judge.better(facts)
    assert birth
    assert birth.id("cam", MediaKind.EVENT).unsynced


@pytest.mark.parametrize("strange", [{"boot": "ffffffff"}, {"boot": None}, {"boottime": None}])
def test_what_is_of_another_boot_cannot_be_dated(strange: dict[str, object]) -> None:
    clock = FakeClock(100.0)
    judge = almanac(clock)
    facts = media(judge.birth(100.0, clock.monotonic()), **strange)
    clock.step(NOW)
    judge.look()
    assert judge.better(facts) is None


def test_the_kernels_word_is_a_note() -> None:
    assert almanac(FakeClock(NOW), kernel=False).kernel is False
    assert almanac(FakeClock(NOW)).kernel is None


def test_both_names_have_a_key_and_the_same_end() -> None:
    dated = Birth(NOW).id("cam", MediaKind.EVENT, random="abcdef")
    undated = Birth(0.0, "unsynced", BOOT, 42.9).id("cam", MediaKind.EVENT, random="abcdef")
    assert dated.key("p/", "n") == "p/n/cam/2026/09/21/20260921T141320000Z-cam-event-abcdef"
    assert undated.key("p/", "n") == "p/n/cam/unsynced/unsynced-1a2b3c4d-00000042-cam-event-abcdef"
    assert dated.random == undated.random == "abcdef"
    assert MediaId.parse(undated.text) == undated
