"""What edgecam records plays in a browser: Debian's Chromium, headless, from the daemon's own HTTP server.

JPEG video does not, and is coded as H.264 for that. H.265 plays where the browser finds a decoder in the system: this
Chromium (156, without a graphics processor) has none, Safari and Android have.
"""

import asyncio
import gc
import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright

from clips import h264, jpeg, jpegs, open_gops
from edgecam.frame import Frame, Kind, Sound
from edgecam.media import Layout, MediaId, MediaKind
from edgecam.record import boxes
from edgecam.record.coding import stills
from edgecam.record.coding.encoder import Coding
from edgecam.record.coding.transcode import transcode
from edgecam.record.cut import reel
from edgecam.record.disk.library import Library
from edgecam.record.mp4 import Mp4
from peers import program
from sounds import sounds
from webhouse import House

pytestmark = pytest.mark.system

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
CODING = Coding(1_000_000, None, 1.0)
NOT_SUPPORTED = 4
"""MediaError.MEDIA_ERR_SRC_NOT_SUPPORTED."""

WATCH = """
async url => {
    const video = document.createElement("video");
    document.body.replaceChildren(video);
    const next = name => new Promise((resolve, reject) => {
        video.addEventListener(name, resolve, {once: true});
        video.addEventListener("error", reject, {once: true});
    });
    const frame = () => new Promise(shown => video.requestVideoFrameCallback((_, facts) => shown(facts.mediaTime)));
    const number = () => {
        const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight), pen = canvas.getContext("2d");
        pen.drawImage(video, 0, 0);
        const spot = bar => pen.getImageData((2 * bar + 1) * canvas.width / 32, canvas.height / 2, 1, 1).data;
        const lit = bar => spot(bar)[1] > 128;
        const seen = [0, 1, 2, 3, 4, 5, 6, 7].reduce((sum, bar) => sum + (lit(bar) ? 1 << bar : 0), 0);
        return spot(0)[3] ? seen : -1;
    };
    const seen = {error: 0};
    const first = frame();
    video.muted = true;
    video.src = url;
    try {
        await next("loadeddata");
        [seen.width, seen.height, seen.duration] = [video.videoWidth, video.videoHeight, video.duration];
        await first;
        seen.first = number();
        const begun = frame();
        await video.play();
        seen.played = await begun < await frame();
        video.pause();
        const sought = frame(), there = next("seeked");
        video.currentTime = video.duration / 2;
        await there;
        seen.middle = await sought;
        seen.number = number();
        const over = next("ended");
        video.playbackRate = 4;
        await video.play();
        await over;
        seen.sound = video.webkitAudioDecodedByteCount > 0;
        return seen;
    } catch (_) {
        return {...seen, error: video.error ? video.error.code : -1};
    }
}
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the browser made of a file."""

    error: int
    """Of MediaError; 0: it played from its beginning, from its middle and to its end."""
    width: int = 0
    height: int = 0
    duration: float = 0.0
    first: int = -1
    """The number in the picture that is shown before anybody presses play."""
    played: bool = False
    middle: float = 0.0
    """The time of the picture that is shown after a leap to the middle, and the number in it."""
    number: int = -1
    sound: bool = False


def muxed(path: Path, frames: Sequence[Frame], sound: Sequence[Sound] = ()) -> Path:
    file = io.BytesIO()
    mp4 = Mp4(file, frames[0], sound[0] if sound else None)
    items: list[Frame | Sound] = [*frames, *sound]
    for item in sorted(items, key=lambda item: item.mono):
        if isinstance(item, Frame):
            mp4.write(item)
        else:
            mp4.hear(item)
    mp4.close()
    path.write_bytes(file.getvalue())
    return path


def torn(path: Path) -> Path:
    """As a writer leaves it that is killed, and the next start cuts it."""
    whole = muxed(path, h264(60)).read_bytes()[:-20_000]
    path.write_bytes(whole[: boxes.read(io.BytesIO(whole)).end])
    return path


def coded(path: Path) -> Path:
    transcode(muxed(path.with_suffix(".jpeg"), jpegs(60), sounds(4.0, 1.0)), path, CODING)
    return path


def film(path: Path) -> Path:
    names = []
    for number in range(60):
        still = path.with_name(f"{number}.jpg")
        still.write_bytes(jpeg(number))
        names.append(str(still))
    listed = path.with_suffix(".list")
    listed.write_text("\n".join(names))
    stills.film(listed, path, 15, CODING)
    return path


def cut(path: Path) -> Path:
    """Two segments, joined again."""
    given, parts = h264(60), list[reel.Recording]()
    for number, part in enumerate((given[:30], given[30:])):
        parts.append(reel.Recording(part[0].mono, muxed(path.with_suffix(f".{number}"), part)))
    whole = reel.cut(parts, 1000.0, 1004.0)
    path.write_bytes(b"".join(whole.pieces(0, whole.size)))
    return path


def after_a_seam(path: Path) -> Path:
    frames = open_gops(Kind.H264, 73)
    return muxed(path, frames[[n for n, frame in enumerate(frames) if frame.keyframe][1] :])


FILES: Mapping[str, Callable[[Path], Path]] = {
    "a JPEG camera's clip, coded, with sound": coded,
    "a byte stream with sound": lambda path: muxed(path, h264(60), sounds(4.0, 1.0)),
    "length-prefixed, reordered, with sound": lambda path: muxed(
        path, h264(60, annexb=False, reorder=2), sounds(4.0, 1.0)
    ),
    "interrupted": torn,
    "an interval out of two segments": cut,
    "a film of stills": film,
}
OTHERS: Mapping[str, Callable[[Path], Path]] = {
    "leaning on the group before": after_a_seam,
    "jpeg": lambda path: muxed(path, jpegs(60)),
    "hevc": lambda path: muxed(path, open_gops(Kind.HEVC, 60)),
}


class Files(Library):
    """These, under ids of their own."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        super().__init__(Layout(Path("/nowhere")), wanted=lambda _: False)
        self.ids = {MediaId.new(1.79e9, "birdbox", MediaKind.EVENT).text: name for name in files}
        self._files = files

    def find(self, text: str) -> Path | None:
        return self._files[self.ids[text]]


async def watch_all(files: Mapping[str, Path]) -> dict[str, Seen]:
    """One browser looks at all of them, one after the other, through `/media/<id>.mp4`."""
    library = Files(files)
    with ThreadPoolExecutor(1) as pool:
        house = House(pool, library=library)
        async with house.open(), async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=program("chromium"), args=FLAGS)
            page = await browser.new_page()
            await page.goto(f"{house.url}/api/health")  # of the same origin, and with nothing going on in it
            seen = {name: await watched(page, f"/media/{id}.mp4") for id, name in library.ids.items()}
            await browser.close()
    return seen


async def watched(page: Page, url: str) -> Seen:
    async with asyncio.timeout(30):
        return Seen(**await page.evaluate(WATCH, url))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("files")
    made = (*FILES.items(), *OTHERS.items())
    return {name: make(folder / f"{number}.mp4") for number, (name, make) in enumerate(made)}


@pytest.fixture(scope="module")
def seen(files: Mapping[str, Path]) -> dict[str, Seen]:
    with warnings.catch_warnings():
        # aiohttp leaves a file to the collector when the browser hangs up while it is being opened
        warnings.simplefilter("ignore", ResourceWarning)
        found = asyncio.run(watch_all(files))
        gc.collect()
    return found


@pytest.mark.parametrize("name", FILES)
def test_it_plays_from_the_beginning_the_middle_and_to_the_end(
    name: str, seen: Mapping[str, Seen], files: Mapping[str, Path]
) -> None:
    found = seen[name]
    assert (found.error, found.width, found.height) == (0, 320, 240)
    with files[name].open("rb") as file:
        whole = boxes.read(file)
    assert found.duration == pytest.approx(whole.duration, rel=0.02, abs=0.15)
    assert found.first == 0
    assert found.played
    assert found.middle == pytest.approx(found.duration / 2, abs=0.1)
    assert found.number == pytest.approx(whole.frames / 2, abs=3)
    assert found.sound is ("sound" in name)


def test_a_part_whose_first_pictures_need_the_one_before_plays_from_its_keyframe(seen: Mapping[str, Seen]) -> None:
    """Leaping about in it is another matter: see `Mp4`."""
    found = seen["leaning on the group before"]
    assert (found.played, found.first) == (True, 15)


def test_jpeg_video_does_not_play_and_is_coded_for_that(seen: Mapping[str, Seen]) -> None:
    assert seen["jpeg"].error == NOT_SUPPORTED
