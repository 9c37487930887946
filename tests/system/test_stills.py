"""JPEG files become a film: the real child, and stills as they lie about after a day."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import av
import pytest

from clips import counters, jpeg, probe
from edgecam.clock import SystemClock
from edgecam.config import model
from edgecam.record.coding import encoder, stills
from edgecam.record.coding.transcoder import TranscodeFailed, Transcoder

pytestmark = pytest.mark.system


def listed(folder: Path, given: Sequence[bytes | None]) -> Path:
    """A list of files; None: one that is gone."""
    names = []
    for number, data in enumerate(given):
        path = folder / f"still {number}.jpg"
        if data is not None:
            path.write_bytes(data)
        names.append(f"{path}\n")
    made = folder / "list"
    made.write_text("".join(names))
    return made


async def test_stills_become_a_film_of_their_most_common_size(tmp_path: Path) -> None:
    torn, junk = jpeg(1)[:3000], b"\xff\xd8 junk \xff\xd9"
    given = [jpeg(0, 160, 160), jpeg(1), torn, None, jpeg(2), junk, jpeg(3), jpeg(4, 641, 481), b"", jpeg(5)]
    target = tmp_path / "film.mp4"
    left_out = await Transcoder(SystemClock()).film(listed(tmp_path, given), target, model.Video(), 12.5)
    assert left_out == 4
    found = probe(target)
    assert (found.codec, found.width, found.height, found.frames, found.complaints) == ("h264", 320, 240, 6, "")
    assert found.duration == pytest.approx(6 / 12.5, abs=0.001)
    assert counters(target)[1:] == [1, 2, 3, 4, 5]


def test_a_still_of_another_shape_is_whole_between_black_bars(tmp_path: Path) -> None:
    target = tmp_path / "film.mp4"
    odd = [jpeg(255, 121, 241), jpeg(255, 400, 100)]
    coding = encoder.Coding(4_000_000, None, 1.0)
    made = stills.film(listed(tmp_path, [*odd, *(jpeg(n) for n in range(3))]), target, 25.0, coding)
    assert made.frames == 5
    with av.open(str(target), "r") as container:
        tall, wide, *_ = (frame.to_ndarray(format="gray").astype(int) for frame in container.decode(video=0))
    assert tall[:, :95].max() < 40  # 120 wide in the middle of 320
    assert tall[20:220, 104:156].min() > 160
    assert wide[:75].max() < 40  # 80 high in the middle of 240
    assert wide[90:150, 5:150].min() > 160


async def test_a_list_without_a_single_good_still_fails_in_words(tmp_path: Path) -> None:
    target = tmp_path / "film.mp4"
    for given in ([], [None, b"junk"], [b"\xff\xd8 junk \xff\xd9"]):
        with pytest.raises(TranscodeFailed, match="no picture"):
            await Transcoder(SystemClock()).film(listed(tmp_path, given), target, model.Video(), 25)
        assert not target.exists()


def test_a_long_film_takes_no_more_memory_than_a_short_one(tmp_path: Path) -> None:
    names = listed(tmp_path, [jpeg(n, 160, 120) for n in range(10)])
    some, target, peaks = names.read_text(), tmp_path / "film.mp4", list[int]()
    code = "import resource; from edgecam.record.coding import stills; stills.main(); " + (
        "print('peak', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    for times in (6, 60):
        names.write_text(some * times)
        command = [sys.executable, "-c", code, str(names), str(target)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout
            peaks.append(int(child.stdout.read().rpartition("peak")[2]))
        assert probe(target).frames == 10 * times
    assert peaks[1] - peaks[0] < 10_000  # kB
