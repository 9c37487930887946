"""What goes to the store next, and how long a store that failed is left alone: the two pure halves of the uploader."""

import itertools

import pytest

from edgecam.health import StoreState
from edgecam.media import MediaId, MediaKind
from edgecam.offload.backlog import Backlog, Order, Waiting
from edgecam.offload.patience import Patience
from edgecam.offload.stores import Corrupt, Permanent, Transient

KINDS = {kind.value[0]: kind for kind in MediaKind}
BUSY, REFUSED = Transient("busy"), Permanent("refused")


def waiting(hour: int, kind: str = "e", size: int = 100) -> Waiting:
    return Waiting(MediaId.new(1_790_000_000.0 + 3600 * hour, "birdbox", KINDS[kind]), size)


def drained(backlog: Backlog) -> str:
    """The hours of the things in the order in which they go."""
    hours = list[int]()
    while thing := backlog.next():
        hours.append(int((thing.id.start - 1_790_000_000.0) / 3600))
        backlog.remove(thing.id.text)
    return " ".join(map(str, hours))


@pytest.mark.parametrize(
    ("order", "things", "goes"),
    [
        ("events-first", "e1 e3 e2", "3 2 1"),  # what happens now is what matters
        ("events-first", "c1 s2 e3 m4 t5 c6", "4 3 2 5 1 6"),  # then pictures, the dash-cam's film last, as it ran
        ("oldest-first", "c3 e2 m1", "1 2 3"),
        ("newest-first", "e1 c3 m2", "3 2 1"),
        ("events-first", "", ""),
    ],
)
def test_what_goes_first(order: Order, things: str, goes: str) -> None:
    backlog = Backlog(order)
    for thing in things.split():
        backlog.add(waiting(int(thing[1:]), thing[0]))
    assert drained(backlog) == goes


@pytest.mark.parametrize("order", ["events-first", "oldest-first", "newest-first"])
def test_the_picture_of_an_event_goes_before_its_clip_in_whatever_order_they_were_found(order: Order) -> None:
    backlog, clip = Backlog(order), waiting(1)
    picture = Waiting(clip.id.picture, 5)
    for thing in (clip, picture):
        backlog.add(thing)
    assert backlog.next() == picture


def test_files_bytes_and_the_oldest_are_known_at_any_moment() -> None:
    backlog = Backlog("events-first")
    assert (len(backlog), backlog.bytes, backlog.oldest) == (0, 0, None)
    one, two = waiting(1, size=10), waiting(2, size=5)
    for thing in (one, two, two):
        backlog.add(thing)
    assert (len(backlog), backlog.bytes, backlog.oldest) == (2, 15, one.id.start)
    backlog.remove(one.id.text)
    backlog.remove("never heard of")
    assert (len(backlog), backlog.bytes, backlog.oldest) == (1, 5, two.id.start)


def test_what_came_while_the_directory_was_read_is_not_forgotten() -> None:
    backlog = Backlog("oldest-first")
    gone, stays, came, found = (waiting(hour) for hour in range(4))
    backlog.add(gone)
    backlog.add(stays)
    before = backlog.ids
    backlog.add(came)
    backlog.update(before, frozenset((stays.id.text, found.id.text)), [found])
    assert drained(backlog) == "1 2 3"


def test_a_thing_that_fails_where_others_pass_lets_them_go_first() -> None:
    backlog = Backlog("events-first")
    poison, good = waiting(2, size=1), waiting(1)
    backlog.add(poison)
    backlog.add(good)
    backlog.failed(poison.id.text, probe=False)
    assert backlog.next() == poison  # once may be the line
    assert backlog.probe() == good
    backlog.failed(poison.id.text, probe=False)
    assert backlog.next() == good
    backlog.remove(good.id.text)
    assert backlog.next() == poison  # never given up


def test_a_store_that_failed_is_tried_with_the_smallest_thing_and_now_and_then_with_another() -> None:
    backlog = Backlog("events-first")
    assert backlog.probe() is None
    for hour, size in enumerate((10, 3, 7)):
        backlog.add(waiting(hour, size=size))
    sizes = list[int]()
    for _ in range(10):
        thing = backlog.probe()
        assert thing is not None
        sizes.append(thing.size)
        backlog.failed(thing.id.text, probe=True)
    assert sizes == [3, 3, 3, 7, 7, 7, 10, 10, 10, 3]
    assert drained(backlog) == "2 1 0"  # the store was to blame
    backlog.recovered()


def pauses(*errors: Transient | Permanent | Corrupt, jitter: float = 1.0) -> list[float]:
    patience = Patience(lambda: jitter)
    return [patience.failed(error).seconds for error in errors]


def test_what_passes_by_itself_is_tried_again_sooner_and_then_later_and_for_ever() -> None:
    assert pauses(*[BUSY] * 9) == [2, 4, 8, 16, 32, 64, 128, 256, 300]
    assert pauses(*[BUSY] * 3, jitter=0.25) == [0.5, 1, 2]
    assert pauses(*[BUSY] * 3000)[-1] == 300
    assert pauses(Corrupt("a bit flipped")) == [2]


def test_what_only_a_person_can_mend_is_probed_slowly_and_for_ever() -> None:
    assert pauses(*[REFUSED] * 6) == [60, 120, 240, 480, 900, 900]
    assert pauses(*[REFUSED] * 3000)[-1] == 900


def test_all_pauses_can_be_shortened_alike() -> None:
    patience = Patience(lambda: 1.0, pace=0.01)
    assert [patience.failed(error).seconds for error in (BUSY, BUSY, REFUSED)] == [0.02, 0.04, 0.6]


def test_a_new_kind_of_trouble_starts_its_own_pauses() -> None:
    assert pauses(BUSY, BUSY, REFUSED, REFUSED, BUSY) == [2, 4, 60, 120, 2]


@pytest.mark.parametrize(("asked", "waited"), [(30.0, 30.0), (1.0, 2.0), (1e9, 3600.0)])
def test_a_busy_store_is_left_alone_as_long_as_it_asks(asked: float, waited: float) -> None:
    assert pauses(Transient("busy", retry_after=asked)) == [waited]


def test_only_what_is_new_is_news() -> None:
    patience = Patience()
    story = [BUSY, Transient("timed out"), REFUSED, REFUSED, Permanent("no bucket"), BUSY]
    assert [patience.failed(error).news for error in story] == [True, False, True, False, True, True]


def test_a_store_that_works_again_is_ok_and_its_failures_were_counted() -> None:
    patience = Patience()
    assert patience.worked() == 0
    for error in (BUSY, REFUSED):
        patience.failed(error)
    assert (patience.open, patience.state, patience.reason) == (True, StoreState.BLOCKED, "refused")
    assert patience.worked() == 2
    assert (patience.open, patience.state, patience.reason) == (False, StoreState.OK, None)


def test_jitter_keeps_two_boxes_apart() -> None:
    first = [Patience().failed(BUSY).seconds for _ in range(20)]
    assert all(0 <= pause <= 2 for pause in first)
    assert any(one != other for one, other in itertools.pairwise(first))
