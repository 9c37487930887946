"""Large files on their way to S3 (rclone): in parts, and what becomes of one when lines, stores and boxes fail."""

import itertools
import os
import signal
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from doorway import LOST, PASS, UNHEARD, Doorway, Rule
from edgecam.clock import SystemClock
from edgecam.config.secret import Secret, Url
from edgecam.config.store import S3Store
from edgecam.offload.deliver import Parcel, deliver
from edgecam.offload.stores import BadCredentials, Corrupt, Transient
from edgecam.offload.stores.body import Unlike
from edgecam.offload.stores.journal import Begun
from edgecam.offload.stores.s3 import S3
from edgecam.offload.worker import Worker
from peers import S3 as Rclone  # noqa: N811  two things of one name
from waiting import content, media, parcel

PART = 1 << 20
SIZE = 3 * PART + 5000
"""Of the clips here: four parts."""


def silent(_: int) -> None: ...


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rclone]:
    with Rclone(tmp_path_factory.mktemp("large")) as server:
        server.bucket("birdbox")
        yield server


@pytest.fixture(scope="module", autouse=True)
def up(server: Rclone) -> None:
    """Before the first test, so that no test is blamed for leaving it behind."""


@pytest.fixture
def doorway(server: Rclone) -> Iterator[Doorway]:
    with Doorway(server.port) as doorway:
        yield doorway


@cache
def watching(port: int) -> S3:
    """The bucket as somebody sees it who is not asked to upload."""
    return opened(port)


def config(port: int) -> S3Store:
    return S3Store(
        bucket="birdbox",
        endpoint=Url(f"http://127.0.0.1:{port}"),
        access_key=Secret(Rclone.access_key),
        secret_key=Secret(Rclone.secret_key),
    )


def opened(port: int) -> S3:
    """The bucket at `port` as a fresh worker opens it."""
    return S3(config(port), whole=PART, part=PART)


_numbers = itertools.count(1)


@pytest.fixture
def clip(tmp_path: Path) -> Parcel:
    """A clip of four parts, under a key that no other test uses."""
    return parcel(f"cams/garden-pi/birdbox/clip-{next(_numbers)}", tmp_path / "clip.mp4", content(SIZE))


def begun(clip: Parcel) -> Begun:
    assert clip.journal is not None
    return Begun.model_validate_json(clip.journal.read_bytes())


def unfinished(server: Rclone, clip: Parcel) -> list[str]:
    """Keys of uploads of `clip` that the store still keeps parts of."""
    try:
        found = watching(server.port)._client.list_multipart_uploads(Bucket="birdbox").get("Uploads", ())
    except ClientError:  # how rclone says that there never was one
        return []
    return [upload["Key"] for upload in found if upload["Key"].startswith(f"{clip.stem}.")]


def whole(server: Rclone, clip: Parcel) -> bool:
    """Whether media and manifest are in the bucket, byte for byte, and no unfinished upload with them."""
    bucket = server.bucket("birdbox")
    assert (bucket / f"{clip.stem}.mp4").read_bytes() == clip.file.read_bytes()
    assert (bucket / f"{clip.stem}.json").read_bytes() == clip.manifest.encode()
    return unfinished(server, clip) == []


def at(number: int, verdict: int) -> Rule:
    """The rule that does something to part `number`, and lets everything else pass."""
    return lambda method, path: verdict if f"partNumber={number}&" in f"{path}&" else PASS


def completing(verdict: int) -> Rule:
    return lambda method, path: verdict if method == "POST" and "uploadId=" in path else PASS


def test_a_large_file_goes_in_parts_and_is_one_object(server: Rclone, doorway: Doorway, clip: Parcel) -> None:
    told = list[int]()
    assert deliver(opened(doorway.port), clip, told.append).sent
    assert [doorway.count("PUT", f"partNumber={number}") for number in range(1, 6)] == [1, 1, 1, 1, 0]
    assert max(told) == SIZE
    assert whole(server, clip)


def test_a_file_of_exactly_the_threshold_is_one_put(server: Rclone, doorway: Doorway, tmp_path: Path) -> None:
    assert deliver(opened(doorway.port), parcel("one-put", tmp_path / "clip.mp4", content(PART)), silent).sent
    assert doorway.count("POST") == 0


@pytest.mark.parametrize(("number", "verdict"), [(1, 503), (3, LOST), (3, UNHEARD), (4, LOST)])
def test_a_new_worker_goes_on_with_the_part_at_which_the_line_broke(
    server: Rclone, doorway: Doorway, clip: Parcel, number: int, verdict: int
) -> None:
    doorway.rule = at(number, verdict)
    with pytest.raises(Transient):
        deliver(opened(doorway.port), clip, silent)
    assert len(begun(clip).parts) == number - 1
    assert not (server.bucket("birdbox") / f"{clip.stem}.mp4").exists()
    doorway.heal()
    assert deliver(opened(doorway.port), clip, silent).sent
    assert [doorway.count("PUT", f"partNumber={n}") for n in range(1, 5)] == [int(n >= number) for n in range(1, 5)]
    assert whole(server, clip)


def test_a_completion_whose_answer_was_lost_is_found_at_once(server: Rclone, doorway: Doorway, clip: Parcel) -> None:
    doorway.rule = completing(UNHEARD)
    assert deliver(opened(doorway.port), clip, silent).sent
    assert doorway.count("POST", "uploadId=") == 1
    assert whole(server, clip)


def test_a_completion_whose_answer_was_lost_with_the_line_is_found_by_the_next_attempt(
    server: Rclone, doorway: Doorway, clip: Parcel
) -> None:
    asked = completing(UNHEARD)
    doorway.rule = lambda method, path: LOST if method == "HEAD" and doorway.count("POST") > 1 else asked(method, path)
    with pytest.raises(Transient):
        deliver(opened(doorway.port), clip, silent)
    doorway.heal()
    assert not deliver(opened(doorway.port), clip, silent).sent
    assert doorway.count("PUT", "partNumber=") == 0
    assert whole(server, clip)


@pytest.mark.parametrize("verdict", [LOST, 500])
def test_a_completion_that_never_arrived_is_asked_for_again_and_no_part_is_sent_twice(
    server: Rclone, doorway: Doorway, clip: Parcel, verdict: int
) -> None:
    doorway.rule = completing(verdict)
    with pytest.raises(Transient):
        deliver(opened(doorway.port), clip, silent)
    doorway.heal()
    assert deliver(opened(doorway.port), clip, silent).sent
    assert doorway.count("PUT", "partNumber=") == 0
    assert whole(server, clip)


def test_a_store_that_forgot_the_upload_gets_it_anew(clip: Parcel, tmp_path: Path) -> None:
    with Rclone(tmp_path / "forgetful") as server, Doorway(server.port) as doorway:
        server.bucket("birdbox")
        doorway.rule = at(4, LOST)
        with pytest.raises(Transient):
            deliver(opened(doorway.port), clip, silent)
        server.down(kill=True)  # rclone keeps parts in memory
        server.up()
        doorway.heal()
        assert deliver(opened(doorway.port), clip, silent).sent
        assert doorway.count("PUT", "partNumber=1") == 1
        assert whole(server, clip)


@pytest.mark.parametrize("journal", [b"{torn", b"\x00" * 512])
def test_a_journal_that_makes_no_sense_is_no_journal(server: Rclone, clip: Parcel, journal: bytes) -> None:
    assert clip.journal is not None
    clip.journal.write_bytes(journal)
    assert deliver(opened(server.port), clip, silent).sent
    assert whole(server, clip)


async def test_a_killed_worker_is_replaced_by_one_that_goes_on(
    server: Rclone, doorway: Doorway, clip: Parcel, tmp_path: Path
) -> None:
    child = "from edgecam.offload import worker; from edgecam.offload.stores.s3 import S3;"
    child += f"worker.main(lambda config: S3(config, whole={PART}, part={PART}))"
    worker = Worker(clock=SystemClock(), command=[sys.executable, "-c", child])

    def kill(method: str, path: str) -> int | None:
        if "partNumber=3" in path and worker.pid and doorway.count("PUT", "partNumber=3") == 1:
            os.kill(worker.pid, signal.SIGKILL)
            return LOST
        return PASS

    doorway.rule = kill
    with pytest.raises(Transient, match="killed by SIGKILL"):
        await worker.deliver(config(doorway.port), clip)
    assert len(begun(clip).parts) == 2
    assert (await worker.deliver(config(doorway.port), clip)).sent
    await worker.close()
    assert [doorway.count("PUT", f"partNumber={number}") for number in range(1, 5)] == [1, 1, 2, 1]
    assert whole(server, clip)


@pytest.mark.parametrize("journal", [None, "no such folder/clip.mp4.parts"])
def test_without_a_journal_everything_works_and_a_cut_line_leaves_no_parts(
    server: Rclone, doorway: Doorway, clip: Parcel, journal: str | None, tmp_path: Path
) -> None:
    clip = clip.model_copy(update={"journal": journal and tmp_path / journal})
    doorway.rule = at(3, LOST)
    with pytest.raises(Transient):
        deliver(opened(doorway.port), clip, silent)
    assert unfinished(server, clip) == []
    doorway.heal()
    assert deliver(opened(doorway.port), clip, silent).sent
    assert whole(server, clip)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4"]


def test_an_upload_that_goes_elsewhere_now_leaves_no_parts_where_it_began(
    server: Rclone, doorway: Doorway, clip: Parcel
) -> None:
    doorway.rule = at(3, LOST)
    with pytest.raises(Transient):
        opened(doorway.port).put(media(clip), silent)
    assert unfinished(server, clip) == [f"{clip.stem}.mp4"]
    opened(server.port).put(media(clip, f"{clip.stem}-2.mp4"), silent)
    assert unfinished(server, clip) == []
    assert not (server.bucket("birdbox") / f"{clip.stem}.mp4").exists()


def test_what_will_never_be_sent_is_forgotten_by_the_store(server: Rclone, doorway: Doorway, clip: Parcel) -> None:
    assert clip.journal is not None
    doorway.rule = at(3, LOST)
    with pytest.raises(Transient):
        deliver(opened(doorway.port), clip, silent)
    store = opened(server.port)
    assert unfinished(server, clip) == [f"{clip.stem}.mp4"]
    store.abandon(clip.journal)
    assert unfinished(server, clip) == []
    assert not clip.journal.exists()
    store.abandon(clip.journal)


def test_a_store_that_cannot_be_asked_to_forget_is_asked_later_and_one_that_refuses_is_not(
    doorway: Doorway, clip: Parcel
) -> None:
    assert clip.journal is not None
    doorway.rule = at(2, LOST)
    with pytest.raises(Transient):
        deliver(opened(doorway.port), clip, silent)
    store = opened(doorway.port)
    doorway.rule = lambda method, path: 503
    with pytest.raises(Transient):
        store.abandon(clip.journal)
    assert clip.journal.exists()
    doorway.rule = lambda method, path: 403
    store.abandon(clip.journal)
    assert not clip.journal.exists()


def test_bytes_that_are_not_the_recorded_ones_leave_nothing_behind(server: Rclone, clip: Parcel) -> None:
    assert clip.journal is not None
    for wrong in (content(SIZE, seed=5), content(SIZE - 1), content(SIZE) + b"more"):
        clip.file.write_bytes(wrong)
        with pytest.raises(Unlike):
            opened(server.port).put(media(clip), silent)
        assert unfinished(server, clip) == []
        assert not clip.journal.exists()
        assert not (server.bucket("birdbox") / f"{clip.stem}.mp4").exists()


def test_a_store_that_refuses_parts_for_good_keeps_none(server: Rclone, doorway: Doorway, clip: Parcel) -> None:
    doorway.rule = at(3, 400)
    with pytest.raises(Exception, match="does not take what we send"):
        deliver(opened(doorway.port), clip, silent)
    assert unfinished(server, clip) == []


def test_a_key_that_expires_in_the_middle_loses_no_part(server: Rclone, doorway: Doorway, clip: Parcel) -> None:
    doorway.rule = at(3, 403)
    with pytest.raises(BadCredentials):
        deliver(opened(doorway.port), clip, silent)
    doorway.heal()
    deliver(opened(doorway.port), clip, silent)
    assert doorway.count("PUT", "partNumber=") == 2
    assert whole(server, clip)


def test_a_part_that_was_changed_on_its_way_is_sent_once_more(server: Rclone, doorway: Doorway, clip: Parcel) -> None:
    doorway.spoils = lambda path: "partNumber=3" in path
    with pytest.raises(Corrupt):
        deliver(opened(doorway.port), clip, silent)
    assert len(begun(clip).parts) == 2
    doorway.heal()
    deliver(opened(doorway.port), clip, silent)  # rclone has dropped the upload by now
    assert whole(server, clip)


# Keys that may only put


def put_only(method: str, path: str) -> int | None:
    return PASS if method in ("PUT", "POST") else 403


@pytest.mark.parametrize("size", [1000, SIZE])
def test_a_key_that_may_only_put_brings_everything_and_soon_does_not_ask_any_more(
    server: Rclone, doorway: Doorway, clip: Parcel, size: int
) -> None:
    clip = parcel(clip.stem, clip.file, content(size))
    doorway.rule = put_only
    store = opened(doorway.port)
    assert deliver(store, clip, silent).sent
    assert whole(server, clip)
    asked = doorway.count("HEAD")
    for _ in range(3):
        small = clip.model_copy(update={"stem": f"{clip.stem}-again"})
        assert deliver(store, small, silent).sent
    assert doorway.count("HEAD") == asked == 2
    assert doorway.count("GET") == 0


def test_a_key_that_may_only_put_repeats_what_it_got_no_answer_to(
    server: Rclone, doorway: Doorway, clip: Parcel
) -> None:
    doorway.rule = lambda method, path: completing(UNHEARD)(method, path) or put_only(method, path)
    with pytest.raises(Transient):
        deliver(opened(doorway.port), clip, silent)
    doorway.rule = put_only
    assert deliver(opened(doorway.port), clip, silent).sent
    assert whole(server, clip)


def test_a_key_that_may_read_but_not_list_still_asks_for_what_is_there(
    server: Rclone, doorway: Doorway, clip: Parcel
) -> None:
    def unlisted(method: str, path: str) -> int | None:
        there = (server.bucket("birdbox") / path.partition("?")[0].removeprefix("/birdbox/")).exists()
        return PASS if there or method in ("PUT", "POST") else 403

    doorway.rule = unlisted
    store = opened(doorway.port)
    assert deliver(store, clip, silent).sent
    assert not deliver(store, clip, silent).sent
    assert whole(server, clip)


@pytest.mark.parametrize("torn", [False, True])
def test_a_key_that_may_read_but_not_list_completes_what_a_power_cut_left_without_manifest(
    torn: bool, server: Rclone, doorway: Doorway, clip: Parcel
) -> None:
    """What is missing is refused like what is forbidden."""
    folder = server.bucket("birdbox")

    def unlisted(method: str, path: str) -> int | None:
        there = (folder / path.partition("?")[0].removeprefix("/birdbox/")).exists()
        return PASS if there or method in ("PUT", "POST") else 403

    doorway.rule = unlisted
    assert deliver(opened(doorway.port), clip, silent).sent
    (folder / f"{clip.stem}.json").unlink()
    if torn:
        (folder / f"{clip.stem}{clip.suffix}").write_bytes(b"half")
    assert deliver(opened(doorway.port), clip, silent).sent is torn
    assert whole(server, clip)


def test_a_finished_object_whose_manifest_may_not_be_read_is_not_written_over(
    server: Rclone, doorway: Doorway, clip: Parcel
) -> None:
    folder = server.bucket("birdbox")
    assert deliver(opened(server.port), clip, silent).sent
    (folder / f"{clip.stem}{clip.suffix}").write_bytes(b"another's")
    doorway.rule = lambda method, path: 403 if method == "GET" else PASS
    assert deliver(opened(doorway.port), clip, silent).conflicts == 1
    assert (folder / f"{clip.stem}{clip.suffix}").read_bytes() == b"another's"
    assert (folder / f"{clip.stem}-2{clip.suffix}").read_bytes() == clip.file.read_bytes()
