"""What the box itself knows of its clock."""

import os
from pathlib import Path

import pytest

from edgecam.clock import SystemClock, boot_id, kernel_synced, newest


def test_the_age_of_the_boot_grows_and_is_never_behind_monotonic_time() -> None:
    before = SystemClock().boottime()
    assert before >= SystemClock().monotonic() - 1.0
    assert SystemClock().boottime() >= before


@pytest.mark.parametrize(
    ("content", "id"),
    [("1a2b3c4d-0000-4000-8000-000000000000\n", "1a2b3c4d"), ("nonsense", "00000000"), (None, "00000000")],
)
def test_a_boot_has_an_id_of_eight_digits(content: str | None, id: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "boot_id").write_text(content)
    assert boot_id(tmp_path / "boot_id") == id


def test_this_boot_has_one_and_keeps_it() -> None:
    assert boot_id() == boot_id() != "00000000"


def test_the_newest_file_says_when_somebody_was_here_last(tmp_path: Path) -> None:
    assert newest(tmp_path) == newest(tmp_path / "gone") == 0.0
    for name, at in (("a", 1000), ("b", 3000), ("c", 2000)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (at, at))
    (tmp_path / "folder").mkdir()
    assert newest(tmp_path) == 3000.0


@pytest.mark.parametrize(("said", "synced"), [(0, True), (1, True), (5, False), (-1, None)])
def test_the_kernel_says_whether_somebody_keeps_its_clock(
    said: int, synced: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Libc:
        def adjtimex(self, buffer: object) -> int:
            return said

    monkeypatch.setattr("ctypes.CDLL", lambda _: Libc())
    assert kernel_synced() is synced


def test_a_system_without_that_call_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda _: object())
    assert kernel_synced() is None
    monkeypatch.undo()
    assert kernel_synced() in (True, False, None)
