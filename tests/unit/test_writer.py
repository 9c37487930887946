"""The writer: frames of a clip reach the disk whole, however large the pre-roll."""

from pathlib import Path

import av
import pytest

from edgecam.frame import Frame, Kind
from edgecam.media import Layout, MediaId, MediaKind
from edgecam.record import writer as room
from edgecam.record.disk.library import Library
from edgecam.record.draft import Draft
from edgecam.record.mp4 import Mp4
from edgecam.record.writer import Writer
from pictures import jpeg


def test_a_large_pre_roll_arrives_whole(tmp_path: Path) -> None:
    library = Library(Layout(tmp_path), wanted=lambda _: False)
    library.open()
    filler = b"".join(b"\xff\xfe\xff\xff" + bytes(65533) for _ in range(7))
    data = jpeg(1)[:2] + filler + jpeg(1)[2:]  # as large as a 4K camera's
    writer: Writer | None = None
    for number in range(100):
        mono = 100 + number / 20
        frame = Frame("cam", number, mono, 1.79e9 + mono, Kind.JPEG, data, 320, 240)
        if writer is None:
            draft = Draft(id=MediaId.new(frame.wall, "cam", MediaKind.EVENT).text, start=frame.wall, cause="motion")
            writer = Writer(draft, library)
        writer.put(frame)
    assert writer is not None
    writer.begun()
    writer.close(draft)
    assert writer.done.result(30).trouble is None
    library.close()


def test_after_the_pre_roll_the_queue_is_bounded(tmp_path: Path) -> None:
    library = Library(Layout(tmp_path), wanted=lambda _: False)
    draft = Draft(id=MediaId.new(1.79e9, "cam", MediaKind.EVENT).text, start=1.79e9, cause="motion")
    writer = Writer(draft, library)  # the library is not open: its thread ends at once, nobody takes the frames
    writer.done.result(10)
    writer.begun()
    large = bytes(room.QUEUE_LIMIT // 2 + 1)
    for number in range(3):
        writer.put(Frame("cam", number, 1.0 + number, 1.79e9, Kind.JPEG, large, 320, 240))
    assert writer.dropped == 2


def test_whatever_the_muxer_says_the_recorder_hears_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise av.error.PatchWelcomeError(0, "not yet implemented")

    monkeypatch.setattr(Mp4, "write", refuse)
    library = Library(Layout(tmp_path), wanted=lambda _: False)
    library.open()
    draft = Draft(id=MediaId.new(1.79e9, "cam", MediaKind.EVENT).text, start=1.79e9, cause="motion")
    writer = Writer(draft, library)
    writer.put(Frame("cam", 1, 1.0, 1.79e9, Kind.JPEG, jpeg(1), 320, 240))
    written = writer.done.result(10)
    assert written.broken
    assert "not yet implemented" in (written.trouble or "")
    library.close()
