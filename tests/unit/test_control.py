"""What people ask of the daemon: a picture of now, or the reason why there is none."""

import asyncio
from pathlib import Path

import pytest

from edgecam.config.secret import Url
from edgecam.control import Control, Film, Lifetime, Mended, Reloaded, Saved, Unavailable
from edgecam.events import Bus, ClipSaved, SnapshotTaken
from edgecam.frame import Frame, Kind
from edgecam.health import CameraState, CameraStatus
from edgecam.hub import FrameHub, Ring
from edgecam.links import LIFE, Links
from edgecam.media import MediaId, MediaKind, Receipt, Sidecar
from edgecam.supervisor import Trouble
from fakes import AtOnce, FakeClock, settle


class Shelf:
    """Keeps pictures in memory, or refuses them."""

    def __init__(self, refuse: bool = False) -> None:
        self.refuse = refuse
        self.media: dict[str, Sidecar | None] = {}
        """By name, with what is known of it."""
        self.sick = False

    def save_picture(self, frame: Frame, cause: str) -> Sidecar:
        if self.refuse:
            raise OSError(28, "No space left on device")
        return Sidecar(
            id=MediaId.new(frame.wall, frame.camera, MediaKind.SNAPSHOT).text,
            camera=frame.camera,
            kind=MediaKind.SNAPSHOT,
            start=frame.wall,
            end=frame.wall,
            duration=0,
            codec="jpeg",
            width=frame.width,
            height=frame.height,
            size=len(frame.data),
            sha256="",
            md5="",
            cause=cause,
        )

    def find(self, text: str) -> Path | None:
        if self.sick:
            raise OSError(5, "Input/output error")
        return Path(text) if text in self.media else None

    def sidecar(self, id: MediaId) -> Sidecar | None:
        return self.media[id.name]


class Cutter:
    """Makes clips of nothing."""

    async def save_clip(self, camera: str, last: float) -> Saved:
        return Saved("id", 0.0, last, None)

    async def export(self, camera: str, begin: float, end: float) -> Film:
        raise Unavailable("nothing was recorded then")


class Mender:
    """Mends all that it is asked for, unless the disk refuses."""

    def __init__(self) -> None:
        self.refuses = False

    def mend(self, id: MediaId) -> Mended:
        if self.refuses:
            raise OSError(5, "Input/output error")
        return Mended("its marker is made anew")

    def bring_back(self, name: str) -> Mended:
        return Mended(None, "it is not what was recorded")


class Sender:
    def __init__(self) -> None:
        self.looked = 0
        self.store: dict[str, tuple[str, float]] = {}
        """Links to what is stored, by key, and when they end."""
        self.busy = False
        """An upload is under way, for hours."""

    def retry(self) -> None: ...

    def look(self) -> None:
        self.looked += 1

    async def link(self, key: str) -> tuple[str, float] | None:
        if self.busy:
            await asyncio.Event().wait()
        return self.store.get(key)


class Capture:
    """A camera that counts how often it is restarted, unless its source is finished."""

    def __init__(self) -> None:
        self.restarted, self.finished = 0, False

    def restart(self) -> None:
        if self.finished:
            raise Trouble("clip.mp4 is over")
        self.restarted += 1


class Program:
    """A process that does what it is told, at once."""

    async def reload(self) -> Reloaded:
        return Reloaded(("mqtt",), ("everything",))

    async def compare(self) -> Reloaded:
        return Reloaded((), ())

    async def restart(self) -> None: ...

    def effective(self) -> dict[str, object]:
        return {"node": "pi"}


class Bell:
    """An event that goes on for ever, unless the camera is away."""

    def __init__(self) -> None:
        self.rung: list[tuple[float, str]] = []
        self.away = False

    def trigger(self, duration: float, cause: str) -> str:
        if self.away:
            raise Unavailable("no frame for 12.0 s")
        self.rung.append((duration, cause))
        return "e1"


class House:
    def __init__(self, external: str | None = None, lifetime: Lifetime | None = None) -> None:
        self.capture, self.lifetime = Capture(), lifetime
        self.clock, self.bus, self.shelf = FakeClock(), Bus(), Shelf()
        self.mender, self.sender, self.bell = Mender(), Sender(), Bell()
        self.hub, self.status = FrameHub("birdbox", Ring(1.0)), CameraStatus("Bird box")
        self.heard: list[SnapshotTaken] = []
        self.bus.on(SnapshotTaken, self.heard.append)
        self.saved: list[Sidecar] = []
        self.bus.on(ClipSaved, lambda event: self.saved.append(event.media))
        self.control = Control(
            hubs={"birdbox": self.hub},
            status={"birdbox": self.status},
            shelf=self.shelf,
            clips=Cutter(),
            bus=self.bus,
            clock=self.clock,
            pool=AtOnce(),
            quality={"birdbox": 80},
            mender=self.mender,
            bells={"birdbox": self.bell},
            links=Links(Url(external) if external else None, lambda address, life: f"{address}?for={life:.0f}"),
            sender=self.sender,
            captures={"birdbox": self.capture},
            lifetime=self.lifetime,
        )

    def frame(self, number: int) -> None:
        now = self.clock.monotonic()
        self.hub.publish(Frame("birdbox", number, now, self.clock.wall(), Kind.JPEG, b"jpeg%d" % number, 64, 48))


@pytest.fixture
def house() -> House:
    return House()


async def test_what_was_seen_before_privacy_began_is_not_made_a_clip_of(house: House) -> None:
    assert (await house.control.save_clip("birdbox", 30.0)).end == 30.0
    house.status.state = CameraState.PRIVACY
    with pytest.raises(Unavailable, match="privacy is on"):
        await house.control.save_clip("birdbox", 30.0)
    with pytest.raises(Unavailable, match="nothing was recorded"):
        await house.control.export("birdbox", 0.0, 1.0)


def test_a_trigger_reaches_the_camera_that_is_meant_and_its_refusal_the_one_who_asked(house: House) -> None:
    assert house.control.trigger("birdbox", 30.0, "pir") == "e1"
    assert house.bell.rung == [(30.0, "pir")]
    house.bell.away = True
    with pytest.raises(Unavailable, match="no frame"):
        house.control.trigger("birdbox", 30.0, "pir")
    with pytest.raises(KeyError):
        house.control.trigger("nobody", 30.0, "pir")


async def test_a_snapshot_is_captured_after_the_question_kept_and_told(house: House) -> None:
    house.frame(1)
    house.clock.tick(1)
    asked = asyncio.create_task(house.control.take_snapshot("birdbox"))
    await settle()
    assert not asked.done()
    house.frame(2)
    taken = await asked
    assert taken.jpeg == b"jpeg2"
    assert taken.media is not None
    assert taken.media.cause == "manual"
    assert house.heard == [taken]
    assert house.saved == [taken.media]  # so that it is offloaded and kept like a clip
    assert not house.hub.wanted


async def test_a_disk_that_refuses_costs_the_copy_not_the_picture(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.shelf.refuse = True
    asked = asyncio.create_task(house.control.take_snapshot("birdbox"))
    await settle()
    house.frame(1)
    taken = await asked
    assert taken.media is None
    assert house.saved == []
    assert "birdbox: the snapshot is not on disk: [Errno 28]" in caplog.text


async def test_privacy_that_begins_while_the_picture_is_coded_keeps_it_from_disk_and_everybody(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def private(frame: Frame, *_: object) -> Frame:
        house.hub.clear()
        return frame

    monkeypatch.setattr("edgecam.control.developed", private)
    asked = asyncio.create_task(house.control.take_snapshot("birdbox"))
    await settle()
    house.frame(1)
    with pytest.raises(Unavailable, match="privacy is on"):
        await asked
    assert (house.heard, house.saved) == ([], [])


async def test_a_camera_that_gives_nothing_says_why(house: House) -> None:
    house.status.trouble = "no frame for 10 s from rtsp://cam.local"
    asked = asyncio.create_task(house.control.take_snapshot("birdbox"))
    await house.clock.advance(Control.PATIENCE)
    with pytest.raises(Unavailable, match=r"no frame for 10 s"):
        await asked
    assert not house.hub.wanted


async def test_an_unknown_camera_is_an_error_of_the_one_who_asks(house: House) -> None:
    with pytest.raises(KeyError):
        await house.control.take_snapshot("nobody")


async def test_what_is_mended_is_told_to_who_brings_it_to_the_store(house: House) -> None:
    id = MediaId.new(1.79e9, "birdbox", MediaKind.EVENT)
    assert await house.control.bring_back("x.mp4") == Mended(None, "it is not what was recorded")
    assert house.sender.looked == 0
    assert (await house.control.mend(id)).done
    assert house.sender.looked == 1
    house.mender.refuses = True
    with pytest.raises(Unavailable, match="the disk refuses: Input/output error"):
        await house.control.mend(id)


async def test_a_camera_is_restarted_unless_it_is_closed_on_purpose_or_at_its_end(house: House) -> None:
    house.control.restart_camera("birdbox")
    assert house.capture.restarted == 1
    house.capture.finished = True
    with pytest.raises(Unavailable, match=r"clip\.mp4 is over"):
        house.control.restart_camera("birdbox")
    house.status.state = CameraState.PRIVACY
    with pytest.raises(Unavailable, match="privacy is on"):
        house.control.restart_camera("birdbox")


async def test_what_has_no_file_cannot_begin_anew(house: House) -> None:
    for ask in (house.control.reload, house.control.compare, house.control.restart):
        with pytest.raises(Unavailable, match="without a configuration file"):
            await ask()
    filed = House(lifetime=Program()).control
    assert (await filed.reload()).changed == ("mqtt",)
    assert (await filed.compare()).changed == ()
    await filed.restart()
    assert filed.effective() == {"node": "pi"}


def clip(stored: str | None = None) -> Sidecar:
    """One of a minute ago; `stored`: its key at the store."""
    id = MediaId.new(1.79e9, "birdbox", MediaKind.EVENT, random="k3x7qa")
    unknown = Sidecar.unknown(id)
    receipt = Receipt(store="memory", key=stored, size=0, at=1.79e9) if stored else None
    return unknown.model_copy(update={"receipt": receipt})


HERE = "https://cam.example.org/media/20260921T141320000Z-birdbox-event-k3x7qa.mp4?for=86400"


@pytest.mark.parametrize(
    ("external", "key", "ends", "link"),
    [
        ("https://cam.example.org", None, 0.0, (HERE, None, LIFE)),
        ("https://cam.example.org", "x.mp4", 60.0, (HERE, "https://store/x", 60.0)),
        ("https://cam.example.org", "x.mp4", 2 * LIFE, (HERE, "https://store/x", LIFE)),
        ("https://cam.example.org", "sealed.age", 60.0, (HERE, None, LIFE)),
        (None, "x.mp4", 2 * LIFE, (None, "https://store/x", 2 * LIFE)),
    ],
    ids=["here", "at the store, which ends it first", "at the store, for longer", "sealed there", "at the store alone"],
)
@pytest.mark.usefixtures("disk_at_once")
async def test_a_clip_has_links_to_where_it_is_and_they_tell_when_the_first_ends(
    external: str | None, key: str | None, ends: float, link: tuple[str | None, str | None, float]
) -> None:
    house = House(external)
    now, stored = house.clock.wall(), clip(key)
    house.shelf.media[stored.id] = stored
    house.sender.store["x.mp4"] = ("https://store/x", now + ends)
    found = await house.control.link(stored.id)
    assert (found.url, found.store, found.expires - now) == link


@pytest.mark.usefixtures("disk_at_once")
async def test_an_upload_that_takes_hours_costs_the_stores_link_only() -> None:
    house = House("https://cam.example.org")
    house.shelf.media[clip().id], house.sender.busy = clip("x.mp4"), True
    asked = asyncio.create_task(house.control.link(clip().id))
    await house.clock.advance(Control.LINKING)
    assert (await asked).store is None
    assert (await asked).url == HERE


@pytest.mark.usefixtures("disk_at_once")
async def test_why_there_is_no_link_is_said(house: House) -> None:
    for nothing in ("../etc/passwd", "", clip().id):
        with pytest.raises(Unavailable, match="no such clip"):
            await house.control.link(nothing)
    house.shelf.media[clip().id] = None
    with pytest.raises(Unavailable, match=r"http\.external_url is not set"):
        await house.control.link(clip().id)
    house.shelf.sick = True
    with pytest.raises(Unavailable, match="the disk refuses: Input/output error"):
        await house.control.link(clip().id)
