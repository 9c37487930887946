"""What goes to the store next."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecam.media import MediaId, MediaKind
from edgecam.offload.waiting.backlog import RAREST, SHARE, STUBBORN, TURN, Backlog, Order, Waiting, urgency
from edgecam.offload.waiting.blame import STRIKES, Blame, Court
from edgecam.offload.waiting.ranking import SLACK, Rank, Ranking

KINDS = {kind.value[0]: kind for kind in MediaKind}


def waiting(hour: int, kind: str = "e", size: int = 100, camera: str = "birdbox") -> Waiting:
    """`kind`: the first letter of one, `p` for the picture of an event."""
    id = MediaId.new(1_790_000_000.0 + 3600 * hour, camera, KINDS["e" if kind == "p" else kind])
    return Waiting(id.picture if kind == "p" else id, size)


def drained(backlog: Backlog) -> str:
    """The hours of the things in the order in which they go."""
    hours = list[int]()
    while thing := backlog.next():
        hours.append(int((thing.id.start - 1_790_000_000.0) / 3600))
        backlog.done(thing.id.name, sent=True)
    return " ".join(map(str, hours))


@pytest.mark.parametrize(
    ("order", "things", "goes"),
    [
        ("events-first", "e1 e3 e2", "3 2 1"),  # what happens now is what matters
        ("events-first", "c1 s2 e3 m4 t5 c6", "4 3 2 5 1 6"),  # then pictures, the dash-cam's film last, as it ran
        ("events-first", "e9 p1 c5 p3 s4", "3 1 9 4 5"),  # a picture says at once what happened
        ("events-first", "e1 m2 e3 e4 m5 e6 e7 e8", "8 7 6 1 5 4 3 2"),  # of a long backlog, one in four from its end
        ("events-first", "c1 c2 c3 c4 c5", "1 2 3 4 5"),
        ("oldest-first", "c3 e2 m1", "1 2 3"),
        ("newest-first", "e1 c3 m2", "3 2 1"),
        ("newest-first", "e1 e2 e3 e4 e5 p3", "5 4 3 3 2 1"),
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


def test_a_thing_that_always_fails_gets_a_turn_now_and_then_however_many_others_wait() -> None:
    backlog, went = Backlog("events-first"), list[bool]()
    poison = waiting(500)
    backlog.add(poison)
    for _ in range(STUBBORN):
        backlog.failed(poison.id.name, probe=False)
    for hour in range(TURN * 6 + 3):
        backlog.add(waiting(hour))
        thing = backlog.next()
        assert thing is not None
        went.append(thing == poison)
        if thing == poison:
            backlog.failed(thing.id.name, probe=False)
        else:
            backlog.done(thing.id.name, sent=True)
    assert [number for number, was in enumerate(went) if was] == [TURN, TURN * 3 + 1, TURN * 6 + 2]


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


def test_what_happens_now_does_not_keep_last_weeks_clips_from_going() -> None:
    backlog, went = Backlog("events-first"), list[float]()
    for hour in range(10):
        backlog.add(waiting(hour))
    for hour in range(100, 100 + 10 * SHARE):  # as many new ones as can go
        backlog.add(waiting(hour))
        thing = backlog.next()
        assert thing is not None
        went.append((thing.id.start - 1_790_000_000.0) / 3600)
        backlog.done(thing.id.name, sent=True)
    assert [hour for hour in went if hour < 100] == list(range(10))
    assert went[:4] == [100, 101, 102, 0]


def test_the_turn_of_the_oldest_comes_after_the_pictures_and_is_kept_while_it_fails() -> None:
    backlog = Backlog("events-first")
    things = [waiting(hour) for hour in range(6)]
    for thing in things:
        backlog.add(thing)
    for thing in reversed(things[3:]):
        assert backlog.next() == thing
        backlog.done(thing.id.name, sent=True)
    picture = waiting(9, "p")
    backlog.add(picture)
    assert backlog.next() == picture
    backlog.done(picture.id.name, sent=True)
    for _ in range(STUBBORN):
        assert backlog.next() == things[0]
        backlog.failed(things[0].id.name, probe=False)
    assert backlog.next() == things[1]  # the oldest of those that may pass


def test_what_a_switch_holds_back_waits_and_is_counted_and_goes_when_the_switch_is_on() -> None:
    backlog = Backlog("events-first")
    gate, birdbox = waiting(2, camera="gate"), waiting(1)
    backlog.hold(["gate"])
    for thing in (gate, birdbox):
        backlog.add(thing)
    assert (backlog.next(), backlog.probe(), len(backlog), backlog.bytes) == (birdbox, birdbox, 2, 200)
    backlog.hold(["gate", "birdbox"])
    assert (backlog.next(), backlog.probe(), backlog.oldest) == (None, None, birdbox.id.start)
    backlog.hold([])
    assert drained(backlog) == "2 1"


def test_news_of_what_is_gone_already_does_no_harm() -> None:
    backlog = Backlog("events-first")
    backlog.failed("gone", probe=True)
    backlog.done("gone", sent=True)
    assert backlog.spoiled("gone") is Blame.UNKNOWN
    backlog.recovered()
    assert (len(backlog), backlog.next()) == (0, None)


# Who spoils the bytes


def test_bytes_that_are_spoiled_let_the_others_go_first_and_tell() -> None:
    backlog, poison, good = Backlog("events-first"), waiting(2, size=5), waiting(1, size=9)
    for thing in (poison, good):
        backlog.add(thing)
    assert backlog.spoiled(poison.id.name) is Blame.UNKNOWN
    assert (backlog.next(), backlog.probe()) == (good, good)


def test_a_line_that_spoils_everything_is_to_blame_and_nothing_is_held_against_what_it_spoiled() -> None:
    backlog, first, second = Backlog("events-first"), waiting(2, size=5), waiting(1, size=9)
    for thing in (first, second, waiting(0)):
        backlog.add(thing)
    assert backlog.spoiled(first.id.name) is Blame.UNKNOWN
    for _ in range(100):
        assert backlog.spoiled(second.id.name) is Blame.LINE
        assert backlog.spoiled(first.id.name) is Blame.LINE
    backlog.recovered()
    assert drained(backlog) == "2 1 0"


def test_a_line_that_spoils_everything_is_tried_with_one_thing_after_the_other() -> None:
    backlog, sizes = Backlog("events-first"), list[int]()
    for hour, size in enumerate((5, 9)):
        backlog.add(waiting(hour, size=size))
    for _ in range(8):
        thing = backlog.probe()
        assert thing is not None
        sizes.append(thing.size)
        backlog.spoiled(thing.id.name)
    assert set(sizes[2:]) == {5, 9}


@pytest.mark.parametrize(
    ("story", "bad"),
    [
        ("x x x x x x x x", False),  # alone: perhaps it is the line
        ("x 9 x 9 x", True),
        ("x 4 4 x 9 x", True),  # as many bytes of others as it has itself
        ("x 4 x 4 x 4 x", False),  # small things pass a bad line more easily
        ("x 4 x 4 x 4 x 4 x", True),
        ("x x x 9 x x x 9 x", True),
        ("x 9 x", False),
    ],
)
def test_a_thing_is_bad_when_it_was_spoiled_three_times_and_as_much_passed_in_between(story: str, bad: bool) -> None:
    court, found = Court(), set[Blame]()
    for word in story.split():
        if word == "x":
            found.add(court.spoiled("poison", 8))
        else:
            court.passed(int(word))
    assert (Blame.THING in found) == bad
    assert Blame.LINE not in found


def test_what_came_after_all_or_left_begins_with_a_clean_record() -> None:
    court = Court()
    for _ in range(STRIKES - 1):
        court.spoiled("poison", 8)
        court.passed(8)
    court.forget("poison")
    assert court.spoiled("poison", 8) is Blame.UNKNOWN


# As fast as it has to be


NAMES = st.sampled_from("abcdefgh")
STEPS = st.lists(st.tuples(NAMES, st.none() | st.tuples(st.integers(0, 3))), max_size=300)


@given(STEPS)
def test_a_ranking_is_what_sorting_anew_would_give(steps: list[tuple[str, Rank | None]]) -> None:
    ranking, model = Ranking(), dict[str, Rank]()
    for name, rank in steps:
        if rank is None:
            ranking.drop(name)
            model.pop(name, None)
        else:
            ranking.put(name, rank)
            model[name] = rank
        assert ranking.first() == min(model, key=lambda name: (model[name], name), default=None)
        assert (name in ranking) == (name in model)


def test_a_ranking_does_not_grow_with_what_left_it() -> None:
    ranking = Ranking()
    for number in range(10_000):
        ranking.put(f"clip {number}", (10_000 - number,))
        ranking.put("for ever", (number,))
        ranking.drop(f"clip {number}")
    assert len(ranking._heap) <= SLACK + 3


THINGS = [waiting(hour, kind, size, camera) for hour in range(4) for kind, size, camera in
          (("e", 5, "gate"), ("p", 1, "gate"), ("m", 5, "yard"), ("c", 9, "yard"), ("s", 2, "gate"))]  # fmt: skip
DEEDS = st.lists(st.tuples(st.sampled_from(["add", "done", "remove", "suspect", "hold"]), st.sampled_from(THINGS)))


@given(st.sampled_from(["events-first", "oldest-first", "newest-first"]), DEEDS)
def test_the_next_thing_is_the_one_that_sorting_anew_would_find(order: Order, deeds: list[tuple[str, Waiting]]) -> None:
    backlog, there, suspect, held, turn = Backlog(order), dict[str, Waiting](), dict[str, int](), set[str](), 0
    since = 0

    def shared(thing: Waiting) -> bool:
        clip = thing.id.kind in (MediaKind.EVENT, MediaKind.MANUAL) and not thing.id.still
        return order == "events-first" and clip and suspect.get(thing.id.name, 0) < STUBBORN

    def best() -> Waiting | None:
        free = [thing for thing in there.values() if thing.id.camera not in held]
        if not free:
            return None
        rank = {thing: (suspect.get(thing.id.name, 0) >= STUBBORN, urgency(thing.id, order)) for thing in free}
        first = min(free, key=lambda thing: (rank[thing], thing.id.name))
        stubborn = [thing for thing in free if suspect.get(thing.id.name, 0) >= STUBBORN]
        least = min(
            stubborn, key=lambda thing: (suspect[thing.id.name], urgency(thing.id, order), thing.id.name), default=None
        )
        if least and since >= TURN * min(suspect[least.id.name] - STUBBORN + 1, RAREST):
            return least
        if shared(first) and turn % SHARE == SHARE - 1:
            return min(filter(shared, free), key=lambda thing: (thing.id.start, thing.id.name))
        return first

    for deed, thing in deeds:
        name = thing.id.name
        if deed == "add":
            backlog.add(thing)
            there[name] = thing
            suspect.pop(name, None)
        elif deed == "suspect" and name in there:
            backlog.failed(name, probe=False)
            suspect[name] = suspect.get(name, 0) + 1
            since = 0 if suspect[name] >= STUBBORN else since
        elif deed == "hold":
            held ^= {thing.id.camera}
            backlog.hold(held)
        elif deed in ("done", "remove"):
            since += deed == "done" and name in there
            turn += deed == "done" and name in there and shared(thing) and thing.id.camera not in held
            (backlog.remove(name) if deed == "remove" else backlog.done(name, sent=True))
            there.pop(name, None)
            suspect.pop(name, None)
        assert backlog.next() == best()
        assert backlog.bytes == sum(thing.size for thing in there.values())
        assert backlog.oldest == min((thing.id.start for thing in there.values()), default=None)
