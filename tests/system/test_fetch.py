"""`edgecam fetch` as a person types it: from rclone's S3 and from a folder, with real recordings."""

import fcntl
import hashlib
import io
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from clips import counters, h264, jpegs, probe
from edgecam import fetching
from edgecam.__main__ import main
from edgecam.config.model import Config
from edgecam.config.secret import Secret, Url
from edgecam.config.store import FolderStore, S3Store
from edgecam.frame import Frame
from edgecam.media import MediaId, MediaKind, Sidecar
from edgecam.offload.deliver import Parcel, deliver
from edgecam.offload.sealing.seal import Seal
from edgecam.offload.stores import Store, open_store
from edgecam.record.mp4 import Mp4
from mounts import tmpfs
from peers import S3
from sealing import Key

pytestmark = pytest.mark.system

WALL, FPS = 1.79e9, 15
H264: Sequence[Frame] = h264(60)


BUCKET = "birdbox"


class Outside:
    """A store, its configuration, and the folder in which its objects lie, by their keys."""

    def __init__(self, store: FolderStore | S3Store, text: str, config: Path, objects: Path) -> None:
        self.store, self.prefix, self.config, self.objects = open_store(store), store.prefix, config, objects
        config.write_text(f"offload:\n  store: {text}\n")
        config.chmod(0o600)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    server = S3(tmp_path_factory.mktemp("s3"))
    server.bucket(BUCKET)  # before it is up: it looks for new folders now and then only
    with server:
        yield server


@pytest.fixture(scope="module", autouse=True)
def servers(server: S3) -> None:
    """Up before the first test, so that no test is blamed for leaving it behind."""


@pytest.fixture(params=["s3", "folder"])
def place(request: pytest.FixtureRequest, tmp_path: Path, server: S3) -> Outside:
    config, prefix = tmp_path / "config.yaml", f"{tmp_path.name}/"
    if request.param == "folder":
        nas = tmp_path / "nas"
        text = f"{{type: folder, path: {nas}, prefix: {prefix}}}"
        return Outside(FolderStore(path=nas, prefix=prefix), text, config, nas)
    store = S3Store(
        bucket=BUCKET,
        prefix=prefix,
        endpoint=Url(server.endpoint),
        access_key=Secret(server.access_key),
        secret_key=Secret(server.secret_key),
    )
    text = (
        f"{{type: s3, bucket: {BUCKET}, prefix: {prefix}, endpoint: '{server.endpoint}', "
        f"access_key: {server.access_key}, secret_key: {server.secret_key}}}"
    )
    return Outside(store, text, config, server.bucket(BUCKET))


def upload(
    place: Outside,
    folder: Path,
    frames: Sequence[Frame],
    first: int,
    stop: int,
    *,
    kind: MediaKind = MediaKind.EVENT,
    camera: str = "birdbox",
    node: str = "garden",
    recipients: Sequence[str] = (),
) -> str:
    """Frames `first` to `stop` as the daemon records and delivers them. Gives the object key without its suffix."""
    file, shown = io.BytesIO(), frames[first:stop]
    mp4 = Mp4(file, shown[0], None)
    for frame in shown:
        mp4.write(frame)
    mp4.close(shown[0].mono + (stop - first) / FPS)
    data, start = file.getvalue(), WALL + first / FPS
    id = MediaId.new(start, camera, kind)
    sidecar = Sidecar(
        id=id.text,
        camera=camera,
        kind=kind,
        start=start,
        end=WALL + stop / FPS,
        duration=(stop - first) / FPS,
        codec="mjpeg" if shown[0].kind.value == "jpeg" else "h264",
        width=320,
        height=240,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        md5=hashlib.md5(data, usedforsecurity=False).hexdigest(),
        cause="motion",
    )
    path = folder / f"{id}.mp4"
    path.write_bytes(data)
    stem = id.key(place.prefix, node)
    parcel = Parcel(
        file=path,
        stem=stem,
        suffix=".mp4",
        size=sidecar.size,
        md5=sidecar.md5,
        sha256=sidecar.sha256,
        content_type="video/mp4",
        metadata={},
        manifest=sidecar.dump().decode(),
        seal=Seal(file=folder / f"{id}.age", facts=folder / f"{id}.age.json", recipients=tuple(recipients))
        if recipients
        else None,
    )
    deliver(place.store, parcel, lambda _: None)
    return stem


def typed(place: Outside, out: Path, *words: object) -> int:
    return main([str(word) for word in ("fetch", "-c", place.config, "-o", out, *words)])


def remote(place: Outside) -> list[str]:
    return sorted(path.name for path in (place.objects / place.prefix).rglob("*") if path.is_file())


def test_all_is_fetched_joined_and_then_deleted(
    place: Outside, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for first in (30, 0, 15):
        upload(place, tmp_path, H264, first, first + 15)
    out, film = tmp_path / "out", tmp_path / "films" / "all.mp4"
    assert typed(place, out, "--concat", film, "--delete", "--yes") == 0
    said = capsys.readouterr()
    assert "3 fetched from" in said.out
    assert "3 recordings deleted there" in said.out
    assert "\x1b" not in said.err, "a progress bar in a pipe"
    assert (counters(film), probe(film).complaints) == (list(range(45)), "")
    assert len(list(out.glob("birdbox/2026-09-21/*.mp4"))) == len(list(out.glob("birdbox/2026-09-21/*.json"))) == 3
    assert remote(place) == []


def test_what_is_sealed_is_opened_joined_and_then_deleted(
    place: Outside, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key, identity, film = Key(), tmp_path / "identity", tmp_path / "all.mp4"
    identity.write_text(f"# public key: {key.recipient}\n{key.identity}\n")
    sealed = upload(place, tmp_path, H264, 0, 15, recipients=[key.recipient])
    upload(place, tmp_path, H264, 15, 30)
    upload(place, tmp_path, H264, 30, 45, recipients=[key.recipient])
    assert remote(place)[:2] == [f"{Path(sealed).name}.json", f"{Path(sealed).name}.mp4.age"]
    assert typed(place, tmp_path / "out", "--delete", "--yes") == 3
    said = capsys.readouterr()
    assert "2 recordings sealed with age: give --identity FILE" in said.err
    assert "1 fetched" in said.out
    assert len(remote(place)) == 4
    assert typed(place, tmp_path / "out", "--identity", identity, "--concat", film, "--delete", "--yes") == 0
    assert (len(list((tmp_path / "out").rglob("*.mp4"))), remote(place)) == (3, [])
    assert (counters(film), probe(film).complaints) == ([*range(15), *range(30, 45)], "")


def test_a_key_that_opens_nothing_or_is_none_is_told(
    place: Outside, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    identity = tmp_path / "identity"
    stem = upload(place, tmp_path, H264, 0, 15, recipients=[Key().recipient])
    identity.write_text(Key().identity)
    assert typed(place, tmp_path / "out", "--identity", identity) == 3
    assert f"sealed: {stem}: {Path(stem).name}.mp4 is sealed with age, and no key" in capsys.readouterr().err
    identity.write_text(Key().recipient)
    assert typed(place, tmp_path / "out", "--identity", identity) == 2
    assert f"edgecam fetch: {identity} is no identity file" in capsys.readouterr().err


def test_a_second_run_fetches_only_what_is_new(
    place: Outside, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    upload(place, tmp_path, H264, 0, 15)
    assert typed(place, tmp_path / "out") == 0
    upload(place, tmp_path, H264, 15, 30)
    assert typed(place, tmp_path / "out") == 0
    assert "1 fetched from" in (said := capsys.readouterr().out.splitlines()[-1])
    assert "1 already here" in said


def test_where_the_coding_changes_another_film_begins(place: Outside, tmp_path: Path) -> None:
    pictures = jpegs(60)
    upload(place, tmp_path, H264, 0, 15)
    upload(place, tmp_path, pictures, 15, 30)
    upload(place, tmp_path, pictures, 30, 45)
    upload(place, tmp_path, H264, 45, 60)
    assert typed(place, tmp_path / "out", "--concat", tmp_path / "all.mp4") == 0
    found = [tmp_path / name for name in ("all.mp4", "all-2.mp4", "all-3.mp4")]
    assert [probe(film).codec for film in found] == ["h264", "mjpeg", "h264"]
    assert [number for film in found for number in counters(film)] == list(range(60))
    assert not list(tmp_path.glob("all*.part"))


def test_what_is_damaged_in_the_store_is_told_not_fetched_and_not_deleted(
    place: Outside, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = upload(place, tmp_path, H264, 0, 15)
    bad = upload(place, tmp_path, H264, 15, 30)
    lost = upload(place, tmp_path, H264, 30, 45)
    media = place.objects / f"{bad}.mp4"
    media.write_bytes(media.read_bytes()[:-1] + b"!")
    place.store.delete(f"{lost}.mp4")
    assert typed(place, tmp_path / "out", "--json", "--delete", "--yes") == 3
    said = capsys.readouterr()
    states = {found["key"]: found["state"] for found in json.loads(said.out)["media"]}
    assert states == {good: "fetched", bad: "bad", lost: "missing"}
    assert f"bad: {bad}: " in said.err
    assert not [name for name in remote(place) if Path(good).name in name]
    assert {f"{Path(bad).name}.mp4", f"{Path(bad).name}.json", f"{Path(lost).name}.json"} == set(remote(place))
    assert [path.stem for path in (tmp_path / "out").rglob("*.mp4")] == [Path(good).name]


def test_what_is_not_finished_is_told_and_left_alone(
    place: Outside, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stem = upload(place, tmp_path, H264, 0, 15)
    place.store.delete(f"{stem}.json")
    assert typed(place, tmp_path / "out", "--delete", "--yes") == 0
    assert f"unfinished: {stem}.mp4" in capsys.readouterr().err
    assert remote(place) == [f"{Path(stem).name}.mp4"]


def test_time_kind_and_camera_choose(place: Outside, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    upload(place, tmp_path, H264, 0, 15)
    wanted = upload(place, tmp_path, H264, 30, 45, kind=MediaKind.MANUAL)
    upload(place, tmp_path, H264, 30, 45)
    upload(place, tmp_path, H264, 30, 45, kind=MediaKind.MANUAL, camera="yard")
    time = ("--from", "2026-09-21T14:13:21.5Z", "--to", "2026-09-21T14:14:00Z")
    choice = (*time, "--kind", "manual,continuous", "--camera", "birdbox", "--node", "garden", "--json")
    assert typed(place, tmp_path / "out", *choice) == 0
    assert [found["key"] for found in json.loads(capsys.readouterr().out)["media"]] == [wanted]


def test_with_cameras_in_the_file_their_own_recordings_are_fetched(
    place: Outside, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = upload(place, tmp_path, H264, 0, 15)
    yard = upload(place, tmp_path, H264, 0, 15, camera="yard")
    shed = upload(place, tmp_path, H264, 0, 15, node="shed", camera="attic")
    upload(place, tmp_path, H264, 0, 15, node="barn")
    whole = place.config.read_text()
    place.config.write_text(f"{whole}node: garden\ncameras: {{birdbox: {{source: synthetic}}}}\n")
    for words, found in (((), ours), (("--camera", "yard"), yard), (("--node", "shed"), shed)):
        assert typed(place, tmp_path / "out", "--json", *words) == 0
        assert [media["key"] for media in json.loads(capsys.readouterr().out)["media"]] == [found]


def test_clips_and_segments_of_one_time_are_one_film_with_every_frame_once(place: Outside, tmp_path: Path) -> None:
    upload(place, tmp_path, H264, 0, 30, kind=MediaKind.CONTINUOUS)
    upload(place, tmp_path, H264, 15, 60)
    upload(place, tmp_path, H264, 30, 45, kind=MediaKind.CONTINUOUS)
    assert typed(place, tmp_path / "out", "--concat", tmp_path / "all.mp4") == 0
    assert counters(tmp_path / "all.mp4") == list(range(60))
    assert not (tmp_path / "all-2.mp4").exists()


def test_a_film_of_nothing_is_told(place: Outside, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed(place, tmp_path / "out") == 0
    assert typed(place, tmp_path / "out", "--concat", tmp_path / "all.mp4") == 3
    assert "nothing to join" in capsys.readouterr().err


def test_several_cameras_are_not_joined_into_one_film(
    place: Outside, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for camera in ("birdbox", "yard"):
        upload(place, tmp_path, H264, 0, 15, camera=camera)
    assert typed(place, tmp_path / "out", "--concat", tmp_path / "all.mp4") == 2
    assert "garden/birdbox, garden/yard: choose" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_nothing_is_deleted_when_the_film_cannot_be_written(
    place: Outside, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    upload(place, tmp_path, H264, 0, 15)
    (tmp_path / "file").touch()
    assert typed(place, tmp_path / "out", "--concat", tmp_path / "file" / "all.mp4", "--delete", "--yes") == 1
    assert "1 fetched" in capsys.readouterr().out
    assert len(remote(place)) == 2


def test_a_recording_that_cannot_be_joined_is_told_and_keeps_all_from_being_deleted(
    place: Outside, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    upload(place, tmp_path, H264, 0, 15)
    monkeypatch.setattr(Mp4, "write", lambda self, frame: None)  # the recorder died before its first fragment
    upload(place, tmp_path, H264, 15, 30)
    monkeypatch.undo()
    assert typed(place, tmp_path / "out", "--concat", tmp_path / "all.mp4", "--delete", "--yes") == 3
    said = capsys.readouterr().err
    assert "cannot be joined" in said
    assert "nothing was deleted" in said
    assert counters(tmp_path / "all.mp4") == list(range(15))
    assert len(remote(place)) == 4


def test_who_stops_it_is_told_how_far_it_came_and_nothing_half_is_left(
    place: Outside, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for first in (0, 15, 30):
        upload(place, tmp_path, H264, first, first + 15)
    store, get, seen = type(place.store), type(place.store).get, list[str]()

    def stopped(self: Store, key: str, file: Path) -> object:
        """A person presses Ctrl-C in the middle of the second film."""
        seen.append(key)
        if sum(key.endswith(".mp4") for key in seen) == 2:
            file.with_name(f"{file.name}.part").write_bytes(b"half")
            signal.raise_signal(signal.SIGINT)
        return get(self, key, file)

    monkeypatch.setattr(store, "get", stopped)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    assert typed(place, tmp_path / "out", "--json") == 130
    signal.signal(signal.SIGINT, before)
    said = capsys.readouterr()
    assert [media["state"] for media in json.loads(said.out)["media"]] == ["fetched"]
    assert "interrupted; the next run goes on from here" in said.err
    assert len([path for path in (tmp_path / "out").rglob("*") if path.is_file()]) == 2
    monkeypatch.undo()
    assert typed(place, tmp_path / "out") == 0
    assert "2 fetched" in capsys.readouterr().out


def test_two_at_once_in_one_folder_do_not_spoil_each_other(
    place: Outside, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    upload(place, tmp_path, H264, 0, 15)
    (out := tmp_path / "out").mkdir()
    other = os.open(out, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    assert typed(place, out) == 1
    assert "another fetch is at work in" in capsys.readouterr().err
    assert list(out.iterdir()) == []
    os.close(other)
    assert typed(place, out) == 0


def test_a_full_disk_here_is_not_blamed_on_the_store_and_stays_as_empty_as_it_was(
    place: Outside, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    upload(place, tmp_path, H264, 0, 60)
    with tmpfs(tmp_path / "small", 40_000) as small:
        assert typed(place, small / "out") == 1
        assert "No space left on device; the next run goes on from here" in capsys.readouterr().err
        assert [path for path in (small / "out").rglob("*") if path.is_file()] == []


def test_a_folder_that_cannot_be_made_is_told_as_that(
    place: Outside, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    upload(place, tmp_path, H264, 0, 15)
    (tmp_path / "file").touch()
    assert typed(place, tmp_path / "file") == 2
    assert f"-o {tmp_path}/file cannot be made" in capsys.readouterr().err


def test_where_nothing_is_a_person_is_told_where_it_was_sought(
    place: Outside, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    upload(place, tmp_path, H264, 0, 15)
    assert typed(place, tmp_path / "out", "--node", "gardn", "--camera", "birdbox") == 0
    said = capsys.readouterr().err
    assert f"nothing of that is there (prefix: {place.prefix}, node: gardn, camera: birdbox)" in said


@pytest.mark.parametrize(("answer", "left"), [("y", 0), ("n", 2), ("", 2)])
def test_a_person_is_asked_before_anything_is_deleted(place: Outside, tmp_path: Path, answer: str, left: int) -> None:
    upload(place, tmp_path, H264, 0, 15)
    ours, theirs = pty.openpty()
    os.write(ours, f"{answer}\n".encode())
    words = ["fetch", "-c", str(place.config), "-o", str(tmp_path / "out"), "--delete"]
    done = subprocess.run(
        [sys.executable, "-m", "edgecam", *words], stdin=theirs, capture_output=True, text=True, check=False
    )
    os.close(ours)
    os.close(theirs)
    assert done.returncode == 0, done.stderr
    assert "Delete 1 recording from" in done.stderr
    assert len(remote(place)) == left


def test_a_terminal_shows_how_far_it_is(place: Outside, tmp_path: Path) -> None:
    upload(place, tmp_path, H264, 0, 15)
    ours, theirs = pty.openpty()
    words = ["fetch", "-c", str(place.config), "-o", str(tmp_path / "out")]
    done = subprocess.run(
        [sys.executable, "-m", "edgecam", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
        check=False,
        env={**os.environ, "TERM": "xterm"},
    )
    shown = os.read(ours, 1 << 16)
    os.close(ours)
    os.close(theirs)
    assert done.returncode == 0
    assert b"\x1b[" in shown
    assert b" kB" in shown


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--delete",), "add --yes"),
        (("--kind", "holiday"), "--kind: holiday is none of event, manual"),
        (("--from", "yesterday"), "--from must be a time such as"),
        (("--to", "9999-12-31"), "--to must be a time such as"),
        (("--from", "2026-11-21", "--to", "2026-11-20"), "--to must be later than --from"),
        (("--set", "offload=null"), "has no offload.store"),
    ],
)
def test_what_makes_no_sense_is_told_before_the_store_is_asked(
    tmp_path: Path,
    words: Sequence[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    config = tmp_path / "config.yaml"
    config.write_text(f"offload:\n  store: {{type: folder, path: {tmp_path / 'nas'}}}\n")
    assert main(["fetch", "-c", str(config), "-o", str(tmp_path / "out"), *words]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_store_that_fails_is_told_with_its_hint_and_what_is_fetched_stays(
    server: S3, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = S3Store(
        bucket="no-such-bucket",
        endpoint=Url(server.endpoint),
        access_key=Secret(server.access_key),
        secret_key=Secret(server.secret_key),
    )
    text = f"{{type: s3, bucket: no-such-bucket, endpoint: '{server.endpoint}'"
    keys = f", access_key: {server.access_key}, secret_key: {server.secret_key}}}"
    place = Outside(store, text + keys, tmp_path / "config.yaml", tmp_path)
    assert typed(place, tmp_path / "out", "--json") == 1
    said = capsys.readouterr()
    assert "no-such-bucket" in said.err
    assert json.loads(said.out)["error"] in said.err
    assert server.secret_key not in said.err + said.out


def test_a_store_that_is_away_is_asked_again_before_it_is_given_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = Config.model_validate(
        {"offload": {"store": {"type": "folder", "path": str(tmp_path / "nas"), "require_mount": True}}}
    )
    pauses: list[float] = []
    code = fetching.main(config, Words(tmp_path / "out"), sleep=pauses.append)
    assert (code, pauses) == (1, [2.0, 10.0])
    assert "nothing is mounted at" in (said := capsys.readouterr().err)
    assert "mount it" in said
    assert "trying again in 2 s" in said


class Words:
    """As typed, without any option but the folder."""

    def __init__(self, output: Path) -> None:
        self.output = output
        self.node: str | None = None
        self.camera: str | None = None
        self.begin: str | None = None
        self.end: str | None = None
        self.kind: Sequence[str] = ()
        self.concat: Path | None = None
        self.delete = self.yes = self.json = False
        self.identity: Path | None = None
