"""Which objects of a store are what somebody asked for."""

from collections.abc import Sequence

import pytest

from edgecam.media import MediaId, MediaKind
from edgecam.offload.back.listing import Prefixes, Wanted, select, starts
from edgecam.offload.stores import Stored

NOON = 1_790_000_000.0
PREFIXES = Prefixes("cams/", {"birdbox": "cams/lapse-"})


def keys(*stems: str, suffixes: Sequence[str] = (".mp4", ".json")) -> list[Stored]:
    return [Stored(stem + suffix, 10) for stem in stems for suffix in suffixes]


def stem(
    start: float = NOON, camera: str = "birdbox", kind: str = "event", *, node: str = "garden", prefix: str = "cams/"
) -> str:
    return MediaId.new(start, camera, MediaKind(kind)).key(prefix, node)


GARDEN = stem()
SHED = stem(NOON + 1, node="shed")
YARD = stem(NOON + 2, "yard")
SEGMENT = stem(NOON + 3, kind="continuous")
LAPSE = stem(NOON + 4, kind="timelapse", prefix="cams/lapse-")
ALL = (GARDEN, SHED, YARD, SEGMENT, LAPSE)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Wanted(), ALL),
        (Wanted(node="shed"), (SHED,)),
        (Wanted(node="garden", kinds=frozenset({MediaKind.TIMELAPSE})), (LAPSE,)),
        (Wanted(cameras=frozenset({"yard"})), (YARD,)),
        (Wanted(kinds=frozenset({MediaKind.CONTINUOUS, MediaKind.TIMELAPSE})), (SEGMENT, LAPSE)),
        (Wanted(end=NOON + 2), (GARDEN, SHED)),
        (Wanted(end=NOON), ()),
    ],
)
def test_node_camera_kind_and_time_choose(wanted: Wanted, found: Sequence[str]) -> None:
    listing = select(keys(*ALL), PREFIXES, wanted)
    assert {thing.stem for thing in listing.things} == set(found)
    assert {thing.node for thing in listing.things} <= {"garden", "shed"}


def test_what_is_not_ours_is_no_recording_and_not_told() -> None:
    foreign = (
        "cams/garden/birdbox/2026/09/21/holiday.mp4",
        "cams/x.json",
        "cams/garden/birdbox/2026/09/21/x-aaaaaa.mp4",
    )
    elsewhere = GARDEN.replace("/birdbox/", "/yard/") + ".mp4"
    listing = select([*keys(*foreign, suffixes=("",)), Stored(elsewhere, 1)], PREFIXES, Wanted())
    assert listing == select([], PREFIXES, Wanted())


def test_media_without_a_manifest_is_unfinished() -> None:
    listing = select([*keys(GARDEN), *keys(YARD, suffixes=(".mp4", ".jpg"))], PREFIXES, Wanted())
    assert [(thing.stem, thing.size) for thing in listing.things] == [(GARDEN, 20)]
    assert listing.unfinished == (f"{YARD}.jpg", f"{YARD}.mp4")


def test_ours_beside_anothers_of_the_same_id_is_a_thing_of_its_own() -> None:
    listing = select(keys(GARDEN, f"{GARDEN}-2"), PREFIXES, Wanted())
    assert [thing.name for thing in listing.things] == [GARDEN.rpartition("/")[2], GARDEN.rpartition("/")[2] + "-2"]
    assert len({thing.id for thing in listing.things}) == 1


def test_the_picture_of_a_clip_that_made_way_for_anothers_is_found_where_it_came_first() -> None:
    there = [*keys(GARDEN), *keys(f"{GARDEN}-2"), *keys(GARDEN, suffixes=(".jpg",))]
    ours = select(there, PREFIXES, Wanted()).things[1]
    assert ours.objects[".jpg"].key == f"{GARDEN}.jpg"
    own = select([*there, *keys(f"{GARDEN}-2", suffixes=(".jpg",))], PREFIXES, Wanted()).things[1]
    assert own.objects[".jpg"].key == f"{GARDEN}-2.jpg"


def test_of_what_began_before_only_the_last_are_asked_whether_they_reach_into_the_time() -> None:
    segments = [stem(NOON + 10 * n, kind="continuous") for n in range(20)]
    long_ago = stem(NOON - 7200)
    listing = select(keys(long_ago, *segments), PREFIXES, Wanted(begin=NOON + 95))
    assert [thing.stem for thing in listing.things] == segments[7:]


UNDATED = "cams/garden/birdbox/unsynced/unsynced-0a1b2c3d-00000042-birdbox-event-aaaaaa"


@pytest.mark.parametrize(
    ("wanted", "found", "undated"),
    [
        (Wanted(), (UNDATED, GARDEN), ()),
        (Wanted(begin=NOON - 1), (GARDEN,), (UNDATED,)),
        (Wanted(end=NOON + 1), (GARDEN,), (UNDATED,)),
        (Wanted(begin=NOON - 1, kinds=frozenset({MediaKind.CONTINUOUS})), (), ()),
        (Wanted(cameras=frozenset({"yard"})), (), ()),
    ],
)
def test_what_a_wrong_clock_took_is_found_and_told_where_a_time_is_asked_for(
    wanted: Wanted, found: Sequence[str], undated: Sequence[str]
) -> None:
    listing = select(keys(GARDEN, UNDATED), PREFIXES, wanted)
    assert {thing.stem for thing in listing.things} == set(found)
    assert listing.undated == undated


def test_things_come_in_the_order_of_time() -> None:
    listing = select(keys(stem(NOON + 9), GARDEN, stem(NOON + 5, kind="manual")), PREFIXES, Wanted())
    assert [thing.id.start for thing in listing.things] == [NOON, NOON + 5, NOON + 9]


BIRDBOX = frozenset({"birdbox"})
EVENTS = frozenset({MediaKind.EVENT})


@pytest.mark.parametrize(
    ("wanted", "listed"),
    [
        (Wanted(), ["cams/"]),
        (Wanted(cameras=BIRDBOX), ["cams/"]),
        (Wanted("garden", BIRDBOX), ["cams/garden/birdbox/", "cams/lapse-garden/birdbox/"]),
        (Wanted("garden", frozenset({"yard"})), ["cams/"]),  # nobody knows where its timelapse lies
        (Wanted("garden", frozenset({"yard"}), EVENTS), ["cams/garden/yard/"]),
        (
            Wanted("garden", BIRDBOX, EVENTS, NOON, NOON + 3600),
            [f"cams/garden/birdbox/{day}/" for day in ("unsynced", "2026/09/20", "2026/09/21")],
        ),
        (
            Wanted("garden", BIRDBOX, EVENTS, NOON),  # until now, or a little later by that box's clock
            [f"cams/garden/birdbox/{day}/" for day in ("unsynced", "2026/09/20", "2026/09/21", "2026/09/22")],
        ),
        (Wanted("garden", BIRDBOX, EVENTS, end=NOON), ["cams/garden/birdbox/"]),
        (Wanted("garden", BIRDBOX, EVENTS, NOON - 1e9, NOON), ["cams/garden/birdbox/"]),
    ],
)
def test_as_little_is_listed_as_the_question_allows(wanted: Wanted, listed: list[str]) -> None:
    assert starts(PREFIXES, wanted, NOON + 60) == listed
