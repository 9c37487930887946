"""The uploader when bytes are spoiled, things vanish, nothing waits, or the store stays away: what a user would see."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from edgecam.events import ClipLost, KeyTaken, SettingChanged
from edgecam.health import StoreState
from edgecam.media import MediaId, Sidecar
from edgecam.offload import words
from edgecam.offload.patience import Pause
from edgecam.offload.probe import Tried
from edgecam.offload.stores import BadClock, BadSettings, Corrupt, Stored, StoreError, StoreFull, Transient, Upload
from edgecam.offload.stores.memory import Memory
from edgecam.offload.uploader import LOOK
from edgecam.offload.waiting.inspect import set_aside
from fakes import settle
from uploading import BUSY, HOUR, PROBE, REFUSED, Box, key
from waiting import NOON, save

pytestmark = pytest.mark.usefixtures("disk_at_once")

SPOILED = Corrupt("the bytes were changed on their way (400 BadDigest)")


class Spoiling(Memory):
    """Refuses the bytes of some keys."""

    def __init__(self, spoils: Callable[[str], bool]) -> None:
        super().__init__()
        self.spoils, self.refused = spoils, list[str]()

    def put(self, upload: Upload, progress: Callable[[int], None]) -> Stored:
        if self.spoils(upload.key):
            self.refused.append(upload.key)
            raise SPOILED
        return super().put(upload, progress)


def lost(clip: Sidecar) -> ClipLost:
    return ClipLost(camera="birdbox", at=NOON, media=clip, why="the disk is full")


def vanish(box: Box, clip: Sidecar) -> None:
    id = MediaId.parse(clip.id)
    for path in (box.layout.media, box.layout.sidecar, box.layout.marker):
        path(id).unlink()


# Bytes that arrive changed


async def test_one_clip_whose_bytes_are_always_refused_is_set_aside_once_the_others_passed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    box, poison = Box(tmp_path), save(tmp_path, start=NOON + 9 * HOUR)
    store = box.carrier.store = Spoiling(lambda key: poison.id in key)
    save(tmp_path)
    await box.start()
    assert (len(store.puts), box.waits(poison)) == (2, True)
    assert box.status.state is StoreState.RETRYING  # alone now, so perhaps it is the line
    for hour in (20, 21):
        box.saves(save(tmp_path, start=NOON + hour * HOUR))
        await settle()  # what is new does not wait for the end of the pause
    assert len(store.refused) == 3
    assert not box.waits(poison)
    [aside] = set_aside(box.layout)
    assert aside.file == f"{poison.id}.mp4"
    assert aside.reason == "the store refused its bytes 3 times, though the file here is as recorded"
    assert (box.status.bad, box.status.files, box.status.state) == (1, 0, StoreState.OK)
    assert caplog.messages[0] == (
        f"offload: {poison.id}: the bytes were changed on their way (400 BadDigest); it goes again after the others"
    )
    assert caplog.messages[-1] == (
        f"offload: {poison.id}: the store refused its bytes 3 times, though the file here is as recorded; "
        "it was not uploaded and lies in spool/bad now; `edgecam spool retry` takes it up again"
    )
    await box.stop()


async def test_a_line_that_spoils_everything_empties_no_spool_however_long_it_lasts(tmp_path: Path) -> None:
    box, ill = Box(tmp_path), [True]
    store = box.carrier.store = Spoiling(lambda key: ill[0])
    clips = [save(tmp_path, start=NOON + hour * HOUR) for hour in range(3)]
    await box.start()
    assert len(store.refused) == 2
    assert (box.status.state, box.status.reason) == (StoreState.RETRYING, str(SPOILED))
    await box.clock.advance(24 * HOUR)
    assert len(store.refused) < 2 + 24 * HOUR / 300 + 10
    assert (box.status.files, box.status.bad) == (3, 0)
    ill.clear()
    ill.append(False)
    await box.clock.advance(300)
    assert not any(box.waits(clip) for clip in clips)
    await box.stop()


async def test_a_single_clip_that_is_spoiled_is_tried_again_and_again_with_pauses(tmp_path: Path) -> None:
    box, clip = Box(tmp_path), save(tmp_path)
    store = box.carrier.store = Spoiling(lambda key: True)
    await box.start()
    await box.clock.advance(2 + 4 + 8)
    assert (len(store.refused), box.waits(clip), box.status.bad) == (4, True, 0)
    store.spoils = lambda key: False
    await box.clock.advance(16)
    assert not box.waits(clip)
    await box.stop()


# What vanishes on its way


class Slow(Memory):
    """Lets something happen when a clip's last byte is there, and may fail after it."""

    def __init__(self, meanwhile: Callable[[], None], error: StoreError | None = None) -> None:
        super().__init__()
        self.meanwhile, self.error = meanwhile, error

    def put(self, upload: Upload, progress: Callable[[int], None]) -> Stored:
        answer = super().put(upload, progress)
        if upload.key.endswith(".mp4"):
            self.meanwhile()
        if self.error:
            raise self.error
        return answer


@pytest.mark.parametrize("vanishes", [True, False])
@pytest.mark.parametrize("late", [True, False])
async def test_what_is_dropped_on_its_way_and_arrives_all_the_same_is_stored_and_not_lost(
    tmp_path: Path, vanishes: bool, late: bool
) -> None:
    box, clip = Box(tmp_path), save(tmp_path)
    carried = list[str | None]()

    def dropped() -> None:
        carried.append(box.uploader.carrying)
        if vanishes:
            vanish(box, clip)
        if not late:
            box.bus.publish(lost(clip))

    box.carrier.store = Slow(dropped)
    await box.start()
    if late:
        box.bus.publish(lost(clip))
    assert (box.status.stored, box.status.lost, box.status.files) == (1, 0, 0)
    assert [event.media.id for event in box.stored] == [clip.id]
    assert carried == [clip.id]
    assert box.uploader.carrying is None
    await box.stop()


@pytest.mark.parametrize("error", [BUSY, Transient("no answer in time")])
async def test_what_is_dropped_on_its_way_and_does_not_arrive_is_lost_and_not_stored(
    tmp_path: Path, error: StoreError
) -> None:
    box, clip = Box(tmp_path), save(tmp_path)

    def dropped() -> None:
        vanish(box, clip)
        box.bus.publish(lost(clip))

    box.carrier.store = Slow(dropped, error)
    await box.start()
    await box.clock.advance(60)
    assert (box.status.stored, box.status.lost, box.status.files) == (0, 1, 0)
    assert box.stored == []
    await box.stop()


async def test_a_clip_that_nobody_announced_and_parts_of_a_lost_one_are_found_also_where_something_always_waits(
    tmp_path: Path,
) -> None:
    box = Box(tmp_path)

    def next_one() -> None:
        box.clock.tick(LOOK / 10)
        if len(box.stored) < 25:
            box.saves(save(tmp_path, start=NOON + len(box.stored)))
        if len(box.stored) == 5:
            box.layout.journal(save(tmp_path, start=NOON - HOUR).media.picture).touch()

    box.carrier.store = Slow(next_one)
    box.saves(save(tmp_path, start=NOON))
    await box.start()
    found = [stored.media.start for stored in box.stored].index(NOON - HOUR)
    assert 5 < found < 20
    assert len(box.carrier.abandoned) == 1
    await box.stop()


async def test_who_mended_the_store_while_something_was_on_its_way_need_not_wait_either(tmp_path: Path) -> None:
    """It left with the old key, and is refused after the question."""
    box, clip = Box(tmp_path), save(tmp_path)
    asks: list[Callable[[], None]] = [box.uploader.retry, lambda: None]
    box.carrier.store = Slow(lambda: asks.pop(0)(), REFUSED)
    await box.start()
    assert (len(box.carrier.tried), box.waits(clip)) == (2, True)
    box.carrier.store.error = None
    await box.clock.advance(121)
    assert not box.waits(clip)
    await box.stop()


# What is there already


async def test_an_upload_whose_answer_was_lost_is_found_and_not_sent_again(tmp_path: Path) -> None:
    box, clip = Box(tmp_path), save(tmp_path)

    class Mute(Memory):
        """Stores each object, and its first answer is lost."""

        def put(self, upload: Upload, progress: Callable[[int], None]) -> Stored:
            answer = super().put(upload, progress)
            if self.puts.count(upload.key) == 1:
                raise Transient("no answer in time")
            return answer

    store = box.carrier.store = Mute()
    await box.start()
    await box.clock.advance(60)
    assert not box.waits(clip)
    assert store.puts == [key(clip), key(clip, ".json")]
    assert len(box.stored) == 1
    await box.stop()


async def test_torn_uploads_and_keys_that_are_taken_are_counted_and_told(tmp_path: Path) -> None:
    box, clip, torn = Box(tmp_path), save(tmp_path, start=NOON + 1), save(tmp_path)
    taken = list[KeyTaken]()
    box.bus.on(KeyTaken, taken.append)
    box.store.objects |= {key(clip): b"theirs", key(clip, ".json"): b'{"sha256": "theirs"}', key(torn): b"half"}
    await box.start()
    assert (box.status.conflicts, box.status.torn) == (1, 1)
    [event] = taken
    assert (event.media.id, event.key) == (clip.id, key(clip).replace(".mp4", "-2.mp4"))
    await box.stop()


# Nothing waits


async def test_a_store_that_works_is_known_before_the_first_clip(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    box = Box(tmp_path)
    with caplog.at_level(logging.INFO):
        await box.start()
    assert caplog.messages == ["offload: the store works: memory (put, head, delete allowed)"]
    assert (box.store.puts, box.store.objects) == ([PROBE], {})
    await box.clock.advance(HOUR)
    assert box.carrier.probes == 1
    await box.stop()


async def test_a_key_that_may_only_put_is_enough(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    box = Box(tmp_path)
    box.store.put_only = REFUSED
    box.fails(None, REFUSED)  # the put passes, the delete does not
    with caplog.at_level(logging.INFO):
        await box.start()
    assert caplog.messages == ["offload: the store works: memory (put allowed; head, delete refused, which is fine)"]
    assert box.status.state is StoreState.OK
    await box.stop()


@pytest.mark.parametrize(
    ("error", "state", "level", "said"),
    [
        (
            REFUSED,
            StoreState.BLOCKED,
            "ERROR",
            "offload: the store refused the key (403 SignatureDoesNotMatch); nothing waits; "
            "check offload.store.secret_key; next probe in 60 s",
        ),
        (
            BadSettings("the bucket does not exist (404 NoSuchBucket)", "make the bucket"),
            StoreState.BLOCKED,
            "ERROR",
            "offload: the bucket does not exist (404 NoSuchBucket); nothing waits; make the bucket; next probe in 60 s",
        ),
        (
            BadClock("the clock here is 3600 s behind the store's"),
            StoreState.BLOCKED,
            "ERROR",
            "offload: the clock here is 3600 s behind the store's; nothing waits; next probe in 2 s",
        ),
        (
            StoreFull("the store is full (507)", "make room in the store"),
            StoreState.FULL,
            "ERROR",
            "offload: the store is full (507); nothing waits; make room in the store; next probe in 60 s",
        ),
        (
            BUSY,
            StoreState.RETRYING,
            "WARNING",
            "offload: the store is busy (503); nothing waits; trying again in 2 s",
        ),
    ],
)
async def test_a_store_that_does_not_work_is_told_before_the_first_clip_and_tried_until_it_does(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, error: StoreError, state: StoreState, level: str, said: str
) -> None:
    box = Box(tmp_path)
    box.fails(error)
    with caplog.at_level(logging.INFO):
        await box.start()
        assert (box.status.state, box.status.failing) == (state, box.clock.wall())
        assert [(record.levelname, record.message) for record in caplog.records] == [(level, said)]
        await box.clock.advance(60)
    assert (box.status.state, box.status.reason, box.status.failing) == (StoreState.OK, None, None)
    assert "the store works again after 1 attempt (" in caplog.messages[1]
    assert "(put, head, delete allowed)" in caplog.messages[2]
    await box.stop()


def test_a_pause_of_a_moment_is_told_as_a_second() -> None:
    said = words.trouble(BUSY, StoreState.RETRYING, Pause(0.2, news=True, lasting=None), attempts=1, waiting=1)
    assert said == "offload: the store is busy (503); 1 file waits, nothing is lost; trying again in 1 s"


async def test_a_clip_does_not_wait_for_the_pause_after_a_trial_that_failed(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.fails(REFUSED)
    await box.start()
    clip = save(tmp_path)
    box.saves(clip)
    await settle()
    assert not box.waits(clip)
    assert (box.carrier.probes, box.status.state) == (1, StoreState.OK)
    await box.stop()


async def test_trials_that_failed_all_night_do_not_make_the_first_clip_wait_longer(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    box = Box(tmp_path)
    box.fails(*[BUSY] * 50)
    await box.start()
    await box.clock.advance(1800)
    assert box.carrier.probes > 8
    box.saves(save(tmp_path))
    await settle()
    assert caplog.messages[-1] == (
        "offload: the store is busy (503); 1 file waits, nothing is lost; trying again in 2 s"
    )
    await box.clock.advance(2 + 4)
    assert len(box.carrier.tried) == 3
    await box.stop()


async def test_a_clip_does_not_wait_for_a_trial_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box, left = Box(tmp_path), list[str]()

    async def hangs(*_: object) -> Tried:
        try:
            return await asyncio.Event().wait()  # type: ignore[return-value]  # it never returns
        finally:
            left.append("the trial")

    monkeypatch.setattr(box.carrier, "probe", hangs)
    await box.start()
    clip = save(tmp_path)
    box.saves(clip)
    await settle()
    assert (box.waits(clip), left) == (False, ["the trial"])
    await box.stop()


async def test_what_waits_at_start_is_the_trial(tmp_path: Path) -> None:
    box, clip = Box(tmp_path), save(tmp_path)
    await box.start()
    await box.clock.advance(HOUR)
    assert (box.waits(clip), box.carrier.probes) == (False, 0)
    await box.stop()


async def test_who_asks_for_a_retry_has_the_store_tried_also_when_nothing_waits(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.fails(REFUSED)
    await box.start()
    box.uploader.retry()
    await settle()
    assert (box.carrier.probes, box.status.state) == (2, StoreState.OK)
    box.uploader.retry()
    await settle()
    assert (box.carrier.probes, box.clock.monotonic()) == (3, 1000.0)
    await box.stop()


async def test_what_was_found_in_the_spool_while_the_store_fails_goes_too(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.fails(REFUSED, REFUSED)
    await box.start()
    clip = save(tmp_path)  # nobody announces it
    await box.clock.advance(60)
    assert not box.waits(clip)
    await box.stop()


# The store stays away


async def test_a_store_that_stays_away_is_told_once_an_hour_and_not_at_each_attempt(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    box = Box(tmp_path)
    save(tmp_path)
    box.fails(*[None, REFUSED] * 1000)
    with caplog.at_level(logging.INFO):
        await box.start()
        await box.clock.advance(3 * HOUR - 1)
    first, *reminders = caplog.messages
    assert "1 file waits, nothing is lost; check offload.store.secret_key; next probe in 60 s" in first
    assert len(reminders) == 2
    assert reminders[-1] == (
        "offload: still blocked after 2 h, 12 attempts: the store refused the key (403 SignatureDoesNotMatch); "
        "1 file waits, nothing is lost; check offload.store.secret_key; next probe in 900 s"
    )
    assert len(box.carrier.tried) > 10
    await box.stop()


# The switch of a camera


async def test_a_camera_whose_switch_is_off_keeps_its_clips_until_it_is_on_again(tmp_path: Path) -> None:
    box = Box(tmp_path, off=("birdbox",))
    kept, other = save(tmp_path), save(tmp_path, camera="gate")
    await box.start()
    assert (box.waits(kept), box.waits(other)) == (True, False)
    assert (box.status.state, box.status.reason) == (StoreState.HELD, "the offload of birdbox is switched off")
    assert box.status.files == 1
    await box.clock.advance(HOUR)
    assert box.waits(kept)
    box.bus.publish(SettingChanged(camera="birdbox", at=NOON, key="privacy", value=True))
    box.bus.publish(SettingChanged(camera="birdbox", at=NOON, key="offload", value=True))
    await settle()
    assert (box.waits(kept), box.status.state) == (False, StoreState.OK)
    box.bus.publish(SettingChanged(camera="birdbox", at=NOON, key="offload", value=False))
    late = save(tmp_path, start=NOON + HOUR)
    box.saves(late)
    await settle()
    assert (box.waits(late), box.status.state) == (True, StoreState.HELD)
    await box.stop()
