"""Ids, sidecars, paths: what people and other programs see of a piece of media."""

import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecam import durable
from edgecam.media import Layout, Looks, MediaId, MediaKind, Receipt, Sidecar, iso

SIDECAR = Sidecar(
    id="20261121T071530123Z-birdbox-event-k3x9qa".replace("9", "2"),
    camera="birdbox",
    kind=MediaKind.EVENT,
    start=1795245330.123,
    end=1795245340.5,
    duration=10.377,
    codec="h264",
    width=1280,
    height=720,
    size=5,
    sha256="aa",
    md5="bb",
    cause="motion",
)


def test_an_id_says_when_where_and_what_in_utc() -> None:
    id = MediaId.new(1795245330.1237, "bird_box", MediaKind.EVENT)
    assert id.text.startswith("20261121T071530123Z-bird_box-event-")
    assert (id.camera, id.kind, id.day, id.suffix) == ("bird_box", MediaKind.EVENT, "2026-11-21", ".mp4")
    assert id.start == pytest.approx(1795245330.123)
    assert str(id) == id.text
    assert id.key("pre/", "garden-pi") == f"pre/garden-pi/bird_box/2026/11/21/{id.text}"


@given(st.floats(0, 4e9), st.sampled_from(MediaKind))
def test_ids_sort_by_time_and_read_back(start: float, kind: MediaKind) -> None:
    id = MediaId.new(start, "cam", kind)
    assert MediaId.parse(id.text) == id
    assert id.text < MediaId.new(start + 0.002, "cam", kind).text


def test_a_still_is_named_apart_from_the_clip_or_film_of_its_kind(tmp_path: Path) -> None:
    layout, clip = Layout(tmp_path), MediaId.new(1795245330.123, "cam", MediaKind.EVENT)
    best, still = clip.picture, MediaId.new(1795245330.123, "cam", MediaKind.TIMELAPSE, still=True)
    snapshot = MediaId.new(1795245330.123, "cam", MediaKind.SNAPSHOT)
    assert MediaId.parse(best.name) == best != clip
    assert (best.text, best.name, snapshot.name) == (clip.text, clip.text + ".jpg", snapshot.text)
    assert [MediaId.parse(id.name) for id in (clip, best, still, snapshot)] == [clip, best, still, snapshot]
    assert layout.media(best) == layout.media(clip).with_suffix(".jpg"), "beside its clip"
    assert layout.marker(best) == layout.sidecar(best) != layout.marker(clip)
    assert layout.media(still).parts[-4:-1] == ("snapshots", "cam", "2026-11-21")
    assert layout.sidecar(still).name == f"{still.text}.json"


def test_ids_of_one_moment_differ() -> None:
    assert len({MediaId.new(0, "cam", MediaKind.MANUAL).text for _ in range(200)}) == 200


@pytest.mark.parametrize(
    "text",
    [
        "",
        "../../etc/passwd",
        "20261121T071530123Z-cam-event-abcdef/..",
        "20261121T071530123Z-cam-event-abcdef\n",
        "20261121T071530123Z-cam-event-ABCDEF",
        "20261121T071530123Z-cam-film-abcdef",
        "20261321T071530123Z-cam-event-abcdef",
        "\uff120261121T071530123Z-cam-event-abcdef",
    ],
)
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        MediaId.parse(text)


def test_a_sidecar_is_readable_json_with_iso_times_and_reads_back() -> None:
    stored = SIDECAR.model_copy(update={"receipt": Receipt(store="folder", key="k", size=5, at=1795245341.0)})
    plain = json.loads(stored.dump())
    assert (plain["start"], plain["end"]) == ("2026-11-21T07:15:30.123Z", "2026-11-21T07:15:40.500Z")
    assert plain["receipt"]["at"] == iso(1795245341.0)
    assert Sidecar.model_validate_json(stored.dump()) == stored


LOOKS = Looks(
    looks=40, moving=22, peak_score=71, peak_area=3.2, box=(0.1, 0.2, 0.3, 0.4), best=1795245333.2,
    suppressed={"sway": 12, "too small": 3},
)  # fmt: skip


def test_a_sidecar_explains_the_motion_it_shows_and_one_of_before_or_later_is_read() -> None:
    explained = SIDECAR.model_copy(update={"motion": LOOKS})
    plain = json.loads(explained.dump())
    assert plain["motion"] == {
        "looks": 40,
        "moving": 22,
        "peak_score": 71,
        "peak_area": 3.2,
        "box": [0.1, 0.2, 0.3, 0.4],
        "best": "2026-11-21T07:15:33.200Z",
        "suppressed": {"sway": 12, "too small": 3},
    }
    assert Sidecar.model_validate_json(explained.dump()) == explained
    plain["motion"]["weather"] = "rain"
    plain["mood"] = "good"
    assert Sidecar.model_validate(plain) == explained
    del plain["motion"]
    assert Sidecar.model_validate(plain) == SIDECAR


def test_everything_has_its_place_below_the_storage_path() -> None:
    layout, clip = Layout(Path("/s")), MediaId.new(1795245330.123, "cam", MediaKind.EVENT)
    picture = MediaId.new(1795245330.123, "cam", MediaKind.SNAPSHOT)
    assert layout.media(clip) == Path(f"/s/recordings/cam/2026-11-21/{clip}.mp4")
    assert layout.sidecar(clip) == Path(f"/s/recordings/cam/2026-11-21/{clip}.json")
    assert layout.media(picture) == Path(f"/s/snapshots/cam/2026-11-21/{picture}.jpg")
    assert layout.part(clip) == Path(f"/s/spool/open/{clip}.part.mp4")
    assert layout.draft(clip) == Path(f"/s/spool/open/{clip}.part.json")
    assert layout.marker(clip) == Path(f"/s/spool/wait/{clip}")


def test_files_are_for_owner_and_group_only(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    durable.make_folder(folder)
    durable.write(folder / "file", b"x")
    durable.touch(folder / "marker")
    assert [path.stat().st_mode & 0o777 for path in (folder, folder / "file", folder / "marker")] == [
        0o750,
        0o640,
        0o640,
    ]


def test_a_file_is_replaced_whole_and_moved_with_its_name(tmp_path: Path) -> None:
    durable.write(tmp_path / "file", b"old")
    durable.write(tmp_path / "file", b"new")
    durable.make_folder(tmp_path / "other")
    durable.sync(tmp_path / "file")
    durable.rename(tmp_path / "file", tmp_path / "other" / "file")
    assert (tmp_path / "other" / "file").read_bytes() == b"new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other"]
    durable.remove(tmp_path / "other" / "file")
    durable.remove(tmp_path / "other" / "file")
    assert not list((tmp_path / "other").iterdir())


@pytest.mark.parametrize(
    ("code", "raised"), [("EINVAL", "none"), ("ENOSYS", "none"), ("EOPNOTSUPP", "none"), ("EIO", "OSError")]
)
def test_a_file_system_without_durable_names_is_tolerated_a_broken_one_is_not(
    tmp_path: Path, code: str, raised: str
) -> None:
    """In a child: `os.fsync` is the one thing that cannot be broken from outside."""
    probe = (
        "import errno, os, pathlib\n"
        "from edgecam import durable\n"
        f"def fsync(fd): raise OSError(errno.{code}, 'x')\n"
        "os.fsync = fsync\n"
        "try: durable.sync_folder(pathlib.Path(os.sys.argv[1])); print('none')\n"
        "except OSError: print('OSError')\n"
    )
    done = subprocess.run([sys.executable, "-c", probe, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == raised


def test_names_are_in_utc_so_that_the_hour_that_comes_twice_is_no_collision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        back = datetime(2026, 10, 25, 1, tzinfo=UTC).timestamp()  # 03:00 becomes 02:00
        ids = [MediaId.new(back + minutes * 60, "cam", MediaKind.EVENT) for minutes in range(-90, 90, 10)]
    finally:
        monkeypatch.undo()
        time.tzset()
    assert [id.text for id in ids] == sorted(id.text for id in ids)
    assert [id.start for id in ids] == [back + minutes * 60 for minutes in range(-90, 90, 10)]
    assert ids[9].text.startswith("20261025T010000000Z-")


@pytest.mark.parametrize(
    "stamp",
    [
        "20260230T071530123Z",
        "20261300T071530123Z",
        "00001121T071530123Z",
        "20261121T241530123Z",
        "20261121T076030123Z",
        "20261121T071560123Z",
        "20261121T071561123Z",
    ],
)
def test_a_moment_that_never_was_is_no_id(stamp: str) -> None:
    with pytest.raises(ValueError):
        MediaId.parse(f"{stamp}-cam-event-abcdef")
