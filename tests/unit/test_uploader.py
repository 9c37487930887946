"""The uploader: nothing lost, nothing doubled, patient, and honest about how it stands."""

import errno
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from edgecam.config.store import FolderStore, Offload
from edgecam.events import ClipLost
from edgecam.health import StoreState
from edgecam.media import MediaId, MediaKind, Receipt, Sidecar
from edgecam.offload.stores.memory import Memory
from edgecam.offload.valve import Closed
from edgecam.offload.waiting.spool import Spool
from fakes import settle
from sealing import Key
from uploading import BUSY, HOUR, PROBE, REFUSED, Box, key
from waiting import NOON, content, save

pytestmark = pytest.mark.usefixtures("disk_at_once")


async def test_what_waits_at_start_is_stored_with_its_manifest_and_keeps_its_receipt(tmp_path: Path) -> None:
    box, clip = Box(tmp_path), save(tmp_path)
    await box.start()
    assert box.store.objects[key(clip)] == content(1000, int(NOON))
    assert Sidecar.model_validate_json(box.store.objects[key(clip, ".json")]) == clip
    assert not box.waits(clip)
    receipt = Receipt(store="memory", key=key(clip), size=1000, at=box.clock.wall())
    assert box.sidecar(clip).receipt == receipt
    assert [event.media for event in box.stored] == [box.sidecar(clip)]
    assert (box.status.state, box.status.stored, box.status.files, box.status.bytes) == (StoreState.OK, 1, 0, 0)
    assert box.status.last_stored == box.camera.last_stored == box.clock.wall()
    await box.stop()
    assert box.carrier.closed == 1


async def test_a_new_clip_goes_at_once(tmp_path: Path) -> None:
    box = Box(tmp_path)
    await box.start()
    clip = save(tmp_path)
    box.saves(clip)
    assert (box.status.files, box.status.bytes, box.status.oldest) == (1, 1000, clip.start)
    await settle()
    assert not box.waits(clip)
    assert (box.status.files, box.status.oldest) == (0, None)
    await box.stop()


async def test_a_clip_that_nobody_announced_is_found_within_a_minute(tmp_path: Path) -> None:
    box = Box(tmp_path)
    await box.start()
    clip = save(tmp_path)
    await box.clock.advance(59)
    assert box.waits(clip)
    await box.clock.advance(1)
    assert not box.waits(clip)
    await box.stop()


async def test_a_clip_that_somebody_brought_back_goes_at_once(tmp_path: Path) -> None:
    box = Box(tmp_path)
    await box.start()
    clip = save(tmp_path)
    box.uploader.look()
    await settle()
    assert not box.waits(clip)
    await box.stop()


async def test_a_clip_that_has_lost_its_sidecar_is_stored_with_one_made_anew(tmp_path: Path) -> None:
    clip = save(tmp_path)
    box = Box(tmp_path, mend=lambda id: box.layout.sidecar(id).write_bytes(clip.dump()))
    box.layout.sidecar(clip.media).write_bytes(b"")
    await box.start()
    assert box.store.objects[key(clip)] == content(1000, int(NOON))
    assert (box.waits(clip), box.status.bad) == (False, 0)
    await box.stop()


async def test_a_sidecar_that_the_disk_cannot_read_any_more_does_not_hold_up_the_others(tmp_path: Path) -> None:
    sick, sound = save(tmp_path, start=NOON + 9), save(tmp_path, start=NOON)
    box = Box(tmp_path)
    sidecar = box.layout.sidecar(sick.media)
    sidecar.unlink()
    sidecar.mkdir()
    await box.start()
    assert [stored.media.id for stored in box.stored] == [sound.id]
    assert (box.status.bad, box.waits(sick)) == (1, False)
    assert (box.layout.bad / f"{sick.id}.mp4").exists()
    await box.stop()


async def test_a_sound_clip_is_not_set_aside_because_the_disk_is_too_full_for_its_sidecar(tmp_path: Path) -> None:
    def full(_: MediaId) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    clip = save(tmp_path)
    box = Box(tmp_path, mend=full)
    box.layout.sidecar(clip.media).write_bytes(b"")
    await box.start()
    assert (box.waits(clip), box.status.bad) == (True, 0)
    assert isinstance(await box.stop(), OSError)  # the supervisor tries again


async def test_a_clip_that_has_lost_its_sidecar_and_cannot_tell_it_is_set_aside(tmp_path: Path) -> None:
    box, clip = Box(tmp_path), save(tmp_path)
    box.layout.sidecar(clip.media).unlink()
    await box.start()
    assert not box.store.objects
    assert (box.layout.bad / f"{clip.id}.mp4").read_bytes() == content(1000, int(NOON))
    assert box.status.bad == 1
    await box.stop()


async def test_a_dead_line_costs_one_attempt_per_pause_and_everything_goes_when_it_is_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    box = Box(tmp_path)
    clips = [save(tmp_path, start=NOON + hour * HOUR, size=1000 + hour) for hour in range(3)]
    box.fails(*[BUSY] * 3)
    with caplog.at_level(logging.INFO):
        await box.start()
        assert (box.status.state, box.status.reason) == (StoreState.RETRYING, "the store is busy (503)")
        await box.clock.advance(2 + 4)
        assert len(box.carrier.tried) == 3
        assert box.carrier.tried[1:] == [clips[0].id] * 2  # the smallest, as a probe
        await box.clock.advance(8)
    assert not any(box.waits(clip) for clip in clips)
    assert len(box.store.puts) == 6
    assert (box.status.state, box.status.reason) == (StoreState.OK, None)
    assert caplog.messages == [
        "offload: the store is busy (503); 3 files wait, nothing is lost; trying again in 2 s",
        "offload: the store works again after 3 attempts (14 s); 3 files wait",
        *(f"birdbox: stored {id}" for id in box.carrier.tried[3:]),
    ]
    await box.stop()


async def test_the_log_tells_of_stored_clips_one_by_one_and_not_of_segments(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    box = Box(tmp_path, wanted=("event", "continuous"))
    event, segment = save(tmp_path), save(tmp_path, start=NOON + HOUR, kind=MediaKind.CONTINUOUS)
    with caplog.at_level(logging.INFO):
        await box.start()
    assert not box.waits(segment)
    assert caplog.messages == [f"birdbox: stored {event.id}"]
    await box.stop()


async def test_a_wrong_key_blocks_with_its_reason_until_it_is_corrected(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    box, clip = Box(tmp_path), save(tmp_path)
    box.fails(None, REFUSED, None, REFUSED)
    await box.start()
    assert (box.status.state, box.status.reason) == (StoreState.BLOCKED, f"{REFUSED}; {REFUSED.hint}")
    assert box.status.files == 1
    assert caplog.messages == [
        "offload: the store refused the key (403 SignatureDoesNotMatch); 1 file waits, nothing is lost; "
        "check offload.store.secret_key; next probe in 60 s"
    ]
    await box.clock.advance(60 + 119)
    assert len(box.carrier.tried) == 2
    assert box.waits(clip)
    await box.clock.advance(1)
    assert not box.waits(clip)
    assert box.status.state is StoreState.OK
    await box.stop()


async def test_who_mended_the_store_need_not_wait_for_the_next_probe(tmp_path: Path) -> None:
    box, clip = Box(tmp_path), save(tmp_path)
    box.fails(None, REFUSED, None, REFUSED)
    await box.start()
    box.uploader.retry()
    await settle()
    assert (len(box.carrier.tried), box.waits(clip)) == (2, True)
    box.uploader.retry()
    await settle()
    assert not box.waits(clip)
    assert (box.status.state, box.clock.monotonic()) == (StoreState.OK, 1000.0)
    await box.stop()


async def test_asking_for_a_retry_while_all_is_well_does_not_shorten_the_next_pause(tmp_path: Path) -> None:
    box = Box(tmp_path)
    await box.start()
    box.uploader.retry()
    box.fails(BUSY)
    box.saves(save(tmp_path))
    await settle()
    assert len(box.carrier.tried) == 1
    await box.stop()


async def test_a_clip_saved_while_the_store_is_left_alone_is_counted_and_does_not_hurry_it(tmp_path: Path) -> None:
    box = Box(tmp_path)
    save(tmp_path)
    box.fails(BUSY)
    await box.start()
    box.saves(save(tmp_path, start=NOON + HOUR))
    await settle()
    assert (box.status.files, len(box.carrier.tried)) == (2, 1)
    await box.stop()


async def test_one_clip_that_always_fails_does_not_hold_up_the_others(tmp_path: Path) -> None:
    box = Box(tmp_path)
    poison = save(tmp_path, start=NOON + 99 * HOUR, size=1)

    class Picky(Memory):
        def stat(self, key: str, pulse: Callable[[], object] = lambda: None) -> None:
            if poison.id in key:
                raise BUSY

    box.carrier.store = Picky()
    others = [save(tmp_path, start=NOON + hour * HOUR) for hour in range(5)]
    await box.start()
    await box.clock.advance(60)
    assert not any(box.waits(clip) for clip in others)
    assert box.waits(poison)
    await box.stop()


async def test_rot_on_the_card_is_set_aside_and_said_out_loud(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    box, rotten, good = Box(tmp_path), save(tmp_path, start=NOON + HOUR), save(tmp_path)
    box.layout.media(MediaId.parse(rotten.id)).write_bytes(b"rot")
    await box.start()
    assert (box.layout.bad / f"{rotten.id}.mp4").read_bytes() == b"rot"
    assert sorted(box.store.objects) == [key(good, ".json"), key(good)]
    assert (box.status.bad, box.status.files, box.status.state) == (1, 0, StoreState.OK)
    [message] = caplog.messages
    assert "its hash differs; it was not uploaded and lies in spool/bad now; a dying SD card?" in message
    await box.stop()


async def test_what_the_quota_took_meanwhile_is_counted_as_lost_and_forgotten(tmp_path: Path) -> None:
    box, clip = Box(tmp_path), save(tmp_path)
    box.fails(BUSY)
    await box.start()
    for path in (box.layout.media, box.layout.sidecar, box.layout.marker):
        path(MediaId.parse(clip.id)).unlink()
    box.bus.publish(ClipLost(camera="birdbox", at=NOON, media=clip, why="the disk is full"))
    assert (box.status.lost, box.status.files) == (1, 0)
    await box.clock.advance(2)
    box.saves(clip)  # a message about what is gone already
    await box.clock.advance(60)
    assert (box.status.files, box.store.puts, box.status.lost) == (0, [PROBE], 1)
    await box.stop()


async def test_a_crash_between_receipt_and_marker_neither_sends_again_nor_stays_silent(tmp_path: Path) -> None:
    box, clip = Box(tmp_path), save(tmp_path)
    receipt = Receipt(store="memory", key=key(clip), size=1000, at=NOON)
    Spool(box.layout).done(clip, receipt)
    box.layout.marker(MediaId.parse(clip.id)).touch()
    await box.start()
    assert not box.waits(clip)
    assert box.carrier.tried == []
    assert [event.media.receipt for event in box.stored] == [receipt]
    await box.stop()


async def test_a_failing_disk_ends_this_life_and_the_next_one_finishes_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box, clip = Box(tmp_path), save(tmp_path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("edgecam.durable.write", full)
        await box.start()
        assert isinstance(await box.stop(), OSError)
    assert box.waits(clip)
    await box.start()
    assert not box.waits(clip)
    assert box.store.puts == [key(clip), key(clip, ".json")]
    assert len(box.stored) == 1
    await box.stop()


async def test_links_come_with_the_news_and_their_failure_delays_nothing(tmp_path: Path) -> None:
    box = Box(tmp_path, offload=Offload(store=FolderStore(path=tmp_path / "nas"), link_expiry=60))
    clip = save(tmp_path)
    await box.start()
    assert (box.stored[0].link, box.stored[0].link_expires) == (f"memory:{key(clip)}", 60)
    box.fails(None, None, None, BUSY)
    box.saves(save(tmp_path, start=NOON + HOUR))
    await settle()
    assert (box.stored[1].link, box.stored[1].link_expires) == (None, None)
    assert box.status.state is StoreState.OK
    await box.stop()


async def test_a_link_to_what_was_stored_is_made_again_for_who_asks(tmp_path: Path) -> None:
    store = FolderStore(path=tmp_path / "nas")
    box = Box(tmp_path, offload=Offload(store=store, link_expiry=60))
    assert await box.uploader.link("some/key.mp4") == ("memory:some/key.mp4", 60)
    assert await box.uploader.link("some/key.mp4.age") is None
    box.fails(BUSY)
    assert await box.uploader.link("some/key.mp4") is None
    assert await Box(tmp_path, offload=Offload(store=store, link_expiry=None)).uploader.link("some/key.mp4") is None


async def test_what_is_sealed_has_no_link_and_its_receipt_names_the_sealed_object(tmp_path: Path) -> None:
    home = Key()
    offload = Offload(store=FolderStore(path=tmp_path / "nas"), link_expiry=60, encrypt=(home.recipient,))
    box, clip = Box(tmp_path, offload=offload), save(tmp_path)
    await box.start()
    assert (box.stored[0].link, box.stored[0].link_expires) == (None, None)
    assert home.opens(box.store.objects[key(clip, ".mp4.age")]) == content(1000, int(NOON))
    receipt = box.sidecar(clip).receipt
    assert receipt is not None
    assert receipt.key == key(clip, ".mp4.age")
    assert not box.waits(clip)
    assert not list(box.layout.seals.iterdir())
    await box.stop()


async def test_conflicts_are_counted_and_torn_uploads_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    box, clip, torn = Box(tmp_path), save(tmp_path, start=NOON + 1), save(tmp_path)
    box.store.objects |= {key(clip): b"theirs", key(clip, ".json"): b'{"sha256": "theirs"}', key(torn): b"half"}
    await box.start()
    assert box.status.conflicts == 1
    assert box.sidecar(clip).receipt.key == key(clip).replace(".mp4", "-2.mp4")  # type: ignore[union-attr]
    assert box.store.objects[key(clip)] == b"theirs"
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
    await box.stop()


@pytest.mark.parametrize(
    ("wanted", "kind", "goes"),
    [
        (("event", "manual"), MediaKind.EVENT, True),
        (("event", "manual"), MediaKind.CONTINUOUS, False),
        ((), MediaKind.EVENT, False),
        (("continuous",), MediaKind.CONTINUOUS, True),
        (("continuous",), MediaKind.EVENT, False),
    ],
)
async def test_only_the_wanted_kinds_go_and_the_others_do_not_wait_for_ever(
    tmp_path: Path, wanted: tuple[str, ...], kind: MediaKind, goes: bool
) -> None:
    box = Box(tmp_path, wanted=wanted)
    before = save(tmp_path, kind=kind)
    await box.start()
    after = save(tmp_path, start=NOON + HOUR, kind=kind)
    box.saves(after)
    await settle()
    await box.clock.advance(60)
    for clip in (before, after):
        assert (box.sidecar(clip).receipt is not None) == goes
        assert box.layout.media(MediaId.parse(clip.id)).exists()
        assert not box.waits(clip)
    await box.stop()


async def test_clips_of_a_camera_that_is_no_longer_configured_still_go(tmp_path: Path) -> None:
    box, clip = Box(tmp_path), save(tmp_path, camera="old_shed")
    await box.start()
    assert not box.waits(clip)
    assert [event.camera for event in box.stored] == ["old_shed"]
    await box.stop()


async def test_a_timelapse_goes_where_a_rule_of_the_bucket_can_aim_at_it(tmp_path: Path) -> None:
    box = Box(tmp_path, wanted=("event", "timelapse"))
    film, clip = save(tmp_path, kind=MediaKind.TIMELAPSE), save(tmp_path)
    await box.start()
    aimed = f"cams/timelapse/garden-pi/birdbox/2026/09/21/{film.id}"
    assert {f"{aimed}.mp4", f"{aimed}.json", key(clip), key(clip, ".json")} == set(box.store.objects)
    await box.stop()


async def test_nothing_goes_while_it_is_held_and_the_reason_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    held: list[str] = ["the clock is not known"]
    box, clip = Box(tmp_path, hold=lambda: held[0] if held else None), save(tmp_path)
    await box.start()
    await box.clock.advance(9)
    assert caplog.messages == []  # at each start names are looked at, for a moment
    await box.clock.advance(600)
    assert box.carrier.tried == []
    assert (box.status.state, box.status.reason, box.status.files) == (StoreState.HELD, "the clock is not known", 1)
    box.saves(save(tmp_path, start=NOON + HOUR))
    assert (box.status.state, box.status.files) == (StoreState.HELD, 2)
    held.clear()
    await box.clock.advance(1)
    assert not box.waits(clip)
    assert (box.status.state, box.status.reason) == (StoreState.OK, None)
    assert caplog.messages[:2] == [
        "offload: nothing goes now: the clock is not known; 1 file waits",
        "offload: it goes on; 2 files wait",
    ]
    await box.stop()


async def test_what_is_dropped_or_set_aside_in_the_middle_of_its_upload_is_abandoned_in_the_store(
    tmp_path: Path,
) -> None:
    box = Box(tmp_path)
    dropped, damaged, waiting = save(box.root), save(box.root, start=NOON + 60), save(box.root, start=NOON + 120)
    for clip in (dropped, damaged, waiting):
        box.layout.journal(MediaId.parse(clip.id)).touch()
    box.layout.media(dropped.media).unlink()
    box.layout.marker(dropped.media).unlink()
    box.layout.media(damaged.media).write_bytes(b"rotten")
    await box.start()
    assert not box.waits(waiting)
    await box.clock.advance(60)
    assert box.carrier.abandoned == [f"{clip.media.name}.parts" for clip in (dropped, damaged)]
    assert list(box.layout.wait.iterdir()) == []
    await box.stop()


async def test_an_upload_that_may_not_go_on_is_no_failure_and_begins_anew_when_it_may(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    box, clip = Box(tmp_path), save(tmp_path)
    box.fails(None, Closed("the window of offload.bandwidth opens at 22:00"))
    await box.start()
    told = (box.status.state, box.status.reason, box.status.failures)
    assert told == (StoreState.HELD, "the window of offload.bandwidth opens at 22:00", 0)
    await box.clock.advance(59)
    assert len(box.carrier.tried) == 1
    await box.clock.advance(1)
    assert not box.waits(clip)
    assert (box.status.state, box.status.reason) == (StoreState.OK, None)
    assert caplog.messages == []
    await box.stop()


async def test_losses_are_counted_even_while_the_uploader_is_between_two_lives(tmp_path: Path) -> None:
    box = Box(tmp_path)
    before, during, after = (
        ClipLost(camera="birdbox", at=NOON, media=save(tmp_path / "gone", start=NOON + at), why="the disk is full")
        for at in range(3)
    )
    box.bus.publish(before)
    await box.start()
    box.bus.publish(during)
    await box.stop()
    box.bus.publish(after)
    assert box.status.lost == 3


async def test_the_board_says_since_when_and_when_the_store_is_tried_again(tmp_path: Path) -> None:
    box = Box(tmp_path)
    save(tmp_path)
    box.fails(None, REFUSED)
    await box.start()
    now = box.clock.wall()
    assert (box.status.state, box.status.since, box.status.next_try) == (StoreState.BLOCKED, now, now + 60)
    assert box.status.failures == 1
    await box.clock.advance(60)
    assert (box.status.state, box.status.since, box.status.next_try) == (StoreState.OK, now + 60, None)
    assert (box.status.bytes_stored, box.status.delay) == (1000, now + 60 - (NOON + 10))
    await box.stop()
