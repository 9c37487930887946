"""Pictures that are turned or grey: what comes out, what passes untouched, and what a slow box leaves out."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager

import numpy as np
import pytest
import simplejpeg
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgecam import jpeg
from edgecam.config import model
from edgecam.frame import Frame, Image, Kind, Sound, Stamp
from edgecam.pixels import Planes, Turn, Turned
from edgecam.sources import Broken, Finished, Rig, Tone, open_source
from edgecam.sources.retouch import Retouched, retouched, turn_of
from edgecam.sources.still import Still
from fakes import FakeClock, until
from pictures import jpeg as noise
from pictures import truncated

Pixels = NDArray[np.uint8]
RED, GREEN, BLUE, WHITE = (200, 30, 30), (30, 200, 30), (30, 30, 200), (240, 240, 240)


def quarters(*, space: str = "RGB") -> bytes:
    """A picture whose quarters are red, green, blue and white, row by row."""
    pixels = np.array([[RED, GREEN], [BLUE, WHITE]], np.uint8).repeat(32, 0).repeat(48, 1)
    if space == "GRAY":
        return bytes(simplejpeg.encode_jpeg(pixels[:, :, :1].copy(), 95, "GRAY", "Gray"))
    return bytes(simplejpeg.encode_jpeg(pixels, 95, "RGB"))


def colours(data: bytes) -> list[str]:
    """The names of the four quarters' colours, row by row."""
    pixels = simplejpeg.decode_jpeg(data).astype(int)
    height, width, _ = pixels.shape
    names = {"red": RED, "green": GREEN, "blue": BLUE, "white": WHITE}
    seen = [pixels[height * y // 4, width * x // 4] for y in (1, 3) for x in (1, 3)]
    return [min(names, key=lambda name: int(np.abs(names[name] - one).sum())) for one in seen]


class Given:
    """A source that yields what it is given, at once, and then ends as it is told, or stays."""

    def __init__(self, *items: Frame | Sound, end: Exception | None = None) -> None:
        self._items, self._end = items, end
        self.more: asyncio.Queue[Frame | Sound] = asyncio.Queue()
        self.closed = False

    async def frames(self) -> AsyncGenerator[Frame | Sound, None]:
        for item in self._items:
            yield item
        if self._end is not None:
            raise self._end
        while True:
            yield await self.more.get()

    async def close(self) -> None:
        self.closed = True

    def describe(self) -> str:
        return "the camera in the hall"


CLOCK = FakeClock()


def frames(*pictures: bytes, kind: Kind = Kind.JPEG, image: Image | None = None) -> list[Frame]:
    stamp = Stamp("birdbox", CLOCK)
    return [stamp(kind, picture, 96, 64, mono=1000.0 + n, image=image) for n, picture in enumerate(pictures)]


@asynccontextmanager
async def through(
    source: Given, *, grey: bool = False, **turns: object
) -> AsyncGenerator[tuple[AsyncIterator[Frame | Sound], Tone], None]:
    config = model.SyntheticSource.model_validate(turns)
    rig = Rig(Stamp("birdbox", CLOCK), CLOCK, tone=Tone(grey))
    stage = Retouched(source, config, rig)
    try:
        async with aclosing(stage.frames()) as items:
            yield items, rig.tone
    finally:
        await stage.close()
    assert source.closed


async def all_of(source: Given, *, grey: bool = False, **turns: object) -> list[Frame]:
    """Every frame until the source has finished."""
    found: list[Frame] = []
    async with through(source, grey=grey, **turns) as (items, _):
        try:
            async for item in items:
                assert isinstance(item, Frame)
                found.append(item)
        except Finished:
            return found
    raise AssertionError("it ended without a word")


END = Finished("the end")


@pytest.mark.parametrize(
    ("rotate", "hflip", "vflip", "expected"),
    [
        (0, False, False, "red green blue white"),
        (180, False, False, "white blue green red"),
        (0, True, False, "green red white blue"),
        (0, False, True, "blue white red green"),
        (0, True, True, "white blue green red"),
        (180, True, False, "blue white red green"),
        (180, False, True, "green red white blue"),
        (180, True, True, "red green blue white"),
    ],
)
async def test_a_picture_is_turned_as_asked_and_stays_the_same_frame(
    rotate: int, hflip: bool, vflip: bool, expected: str
) -> None:
    (frame,) = frames(quarters())
    (found,) = await all_of(Given(frame, end=END), rotate=rotate, hflip=hflip, vflip=vflip)
    assert colours(found.data) == expected.split()
    assert (found.number, found.mono, found.wall) == (frame.number, frame.mono, frame.wall)
    assert jpeg.size(found.data) == (found.width, found.height) == (96, 64)
    assert (found is frame) == (expected == "red green blue white")


@given(st.integers(1, 40), st.integers(1, 40), st.booleans(), st.booleans())
def test_turned_twice_is_as_it_was_and_the_first_pixel_lands_in_its_corner(
    width: int, height: int, left_right: bool, top_bottom: bool
) -> None:
    turn, pixels = Turn(left_right, top_bottom), np.arange(width * height).reshape(height, width)
    turned = turn(pixels)
    assert (turn(turned) == pixels).all()
    assert turned[-1 if top_bottom else 0, -1 if left_right else 0] == 0


@pytest.mark.parametrize("size", [(1, 1), (17, 9), (96, 64)])
def test_odd_sizes_are_turned_too(size: tuple[int, int]) -> None:
    for grey in (False, True):
        made = retouched(noise(3, *size), Turn(True, True), 90, grey=grey)
        assert jpeg.size(made) == size
        assert (simplejpeg.decode_jpeg_header(made)[2] == "Gray") is grey


async def test_grey_is_switched_while_the_camera_lives_and_colour_passes_untouched() -> None:
    source = Given()
    day, night, morning = frames(quarters(), quarters(), quarters())
    async with through(source) as (items, tone):
        found: list[Frame | Sound] = []
        for frame, grey in ((day, False), (night, True), (morning, False)):
            tone.grey = grey
            source.more.put_nowait(frame)
            found.append(await anext(items))
    assert found[0] is day
    assert found[2] is morning
    assert isinstance(found[1], Frame)
    assert simplejpeg.decode_jpeg_header(found[1].data)[2] == "Gray"


async def test_what_is_grey_already_passes_untouched() -> None:
    (frame,) = frames(quarters(space="GRAY"))
    assert await all_of(Given(frame, end=END), grey=True) == [frame]


async def test_a_grey_picture_stays_one_when_it_is_turned() -> None:
    (found,) = await all_of(Given(*frames(quarters(space="GRAY")), end=END), vflip=True)
    assert simplejpeg.decode_jpeg_header(found.data)[2] == "Gray"


async def test_the_same_picture_again_is_the_same_frame_again() -> None:
    source = Given()
    one, two = frames(noise(1), noise(2))
    async with through(source, rotate=180) as (items, tone):
        found: list[Frame | Sound] = []
        for frame in (one, one, two, two):
            tone.grey = frame is two
            source.more.put_nowait(frame)
            found.append(await anext(items))
    assert found[0] is found[1]
    assert found[2] is found[3]
    assert found[0] is not found[2]


async def test_a_slow_box_shows_the_newest_pictures_in_order_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    given_ = frames(*(noise(seed) for seed in range(12)))
    with caplog.at_level(logging.WARNING):
        found = await all_of(Given(*given_, end=END), rotate=180)
    assert [frame.number for frame in found] == [11, 12]
    assert caplog.messages == [
        "birdbox: too slow to turn or grey all pictures; 1 of 2 left out",
        "birdbox: too slow to turn or grey all pictures; 10 of 11 left out",
    ]


async def test_what_needs_no_work_is_never_left_out() -> None:
    given_ = frames(*(noise(seed) for seed in range(12)))
    assert await all_of(Given(*given_, end=END)) == given_


async def test_sound_passes() -> None:
    sound = Sound("birdbox", 1000.0, b"aac", 0.02, 48000, 1, b"")
    async with through(Given(sound), rotate=180) as (items, _):
        assert await anext(items) is sound


async def test_a_picture_that_is_damaged_is_shown_as_far_as_it_can_be_seen() -> None:
    damaged = truncated(noise(1, 96, 64)) + jpeg.EOI
    (found,) = await all_of(Given(*frames(damaged), end=END), hflip=True)
    assert jpeg.size(found.data) == (96, 64)


async def test_pictures_that_cannot_be_decoded_are_left_out_and_too_many_of_them_end_the_life(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bad = noise(1)[:20]
    source = Given()
    stamp = Stamp("birdbox", CLOCK)
    async with through(source, rotate=180) as (items, _):
        coming = asyncio.ensure_future(anext(items))
        for picture in (bad, noise(2)):
            source.more.put_nowait(stamp(Kind.JPEG, picture, 64, 48))
        found = await coming
        assert isinstance(found, Frame)
        assert found.number == 2
        ending = asyncio.ensure_future(anext(items))

        async def another() -> None:
            source.more.put_nowait(stamp(Kind.JPEG, bad, 64, 48))

        await until("the life ends", ending.done, meanwhile=another)
        with pytest.raises(Broken, match="31 bad pictures in a row; the last one cannot be decoded"):
            await ending
    assert "birdbox: a picture cannot be decoded" in caplog.text


async def test_bad_pictures_between_good_ones_end_nothing() -> None:
    source, stamp = Given(), Stamp("birdbox", CLOCK)
    async with through(source, rotate=180) as (items, _):
        for _ in range(40):
            coming = asyncio.ensure_future(anext(items))
            for picture in (noise(1)[:20], noise(2)):
                source.more.put_nowait(stamp(Kind.JPEG, picture, 64, 48))
            await coming


async def test_video_cannot_be_turned_and_says_so() -> None:
    async with through(Given(*frames(b"coded", kind=Kind.H264)), rotate=180) as (items, _):
        with pytest.raises(Broken, match=r"the camera in the hall gives video \(h264\), which passes undecoded"):
            await anext(items)


async def test_pixels_are_turned_when_somebody_looks() -> None:
    luma = np.zeros((64, 96), np.uint8)
    luma[:32, :48] = 255  # the top left is white
    half = np.full((32, 48), 180, np.uint8)
    image = Planes([luma, half, half], full=True)
    (found,) = await all_of(Given(*frames(b"", kind=Kind.RAW, image=image), end=END), grey=True, rotate=180)
    assert isinstance(found.image, Turned)
    for seen in (found.image.luma(96), simplejpeg.decode_jpeg(found.image.jpeg(95), "GRAY")[:, :, 0]):
        assert seen[40:, 60:].min() > 240
        assert seen[:24].max() < 15
    assert simplejpeg.decode_jpeg_header(found.image.jpeg(95))[2] == "Gray"
    assert simplejpeg.decode_jpeg_header(found.image.jpeg(95, width=48))[:2] == (32, 48)


async def test_pixels_of_an_unknown_kind_are_no_silent_colour() -> None:
    class Other:
        def jpeg(self, quality: int, *, width: int | None = None, grey: bool = False) -> bytes:
            return b""

        def luma(self, width: int) -> Pixels:
            return np.zeros((1, 1), np.uint8)

    async with through(Given(*frames(b"", kind=Kind.RAW, image=Other())), grey=True) as (items, _):
        with pytest.raises(TypeError, match="cannot turn Other"):
            await anext(items)


async def test_the_end_comes_after_the_last_picture_and_in_the_source_s_words() -> None:
    assert len(await all_of(Given(*frames(noise(1), noise(2)), end=END), rotate=180)) == 2
    async with through(Given(end=Broken("unplugged")), rotate=180) as (items, _):
        with pytest.raises(Broken, match="unplugged"):
            await anext(items)


@pytest.mark.parametrize(
    ("tone", "turns", "staged"),
    [
        (Tone(), {}, False),
        (Tone(), {"rotate": 180}, True),
        (Tone(), {"hflip": True}, True),
        (Tone(), {"vflip": True}, True),
        (Tone(grey=True), {}, True),
        (Tone(varies=True), {}, True),
    ],
)
async def test_the_stage_stands_only_where_it_can_be_needed(tone: Tone, turns: dict[str, object], staged: bool) -> None:
    config = model.StillSource.model_validate({"url": "http://camera/", **turns})
    source = open_source(config, Rig(Stamp("birdbox", CLOCK), CLOCK, tone=tone))
    assert isinstance(source, Retouched if staged else Still)
    await source.close()


def test_half_a_turn_and_both_mirrors_are_nothing() -> None:
    config: Callable[..., model.SyntheticSource] = model.SyntheticSource
    assert not turn_of(config(rotate=180, hflip=True, vflip=True))
    assert turn_of(config(rotate=180)) == Turn(True, True)
