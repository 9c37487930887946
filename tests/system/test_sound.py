"""A camera with a microphone, seen from outside: its clips have sound, and without one it is a camera all the same."""

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from outside import Edgecam, until
from sounds import beeps, decodes, voice

pytestmark = pytest.mark.system

RATE = 48000
BLOCK = 480
BEEP = 0.1
"""Seconds."""


@contextmanager
def beeping(path: Path) -> Iterator[None]:
    """A pipe that ALSA's `file` device hears: a beep each second, in real time."""
    os.mkfifo(path)
    end = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    fcntl.fcntl(end, fcntl.F_SETPIPE_SZ, 4096)
    times = np.arange(RATE) / RATE
    second = (16000 * np.sin(2 * np.pi * 1000 * times) * (times < BEEP)).astype("<i2")
    stop = threading.Event()

    def play() -> None:
        begin = time.monotonic()
        with os.fdopen(end, "wb", buffering=0) as file:
            for number in range(10**6):
                at = number * BLOCK % RATE
                file.write(second[at : at + BLOCK].tobytes())
                if stop.wait(max(0.0, begin + number * BLOCK / RATE - time.monotonic())):
                    return

    thread = threading.Thread(target=play)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_clips_of_a_camera_with_a_microphone_have_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, pipe = tmp_path / "asound.conf", tmp_path / "pipe"
    config.write_text(
        "pcm.null { type null }\n"
        f'pcm.card {{ type file slave.pcm null file /dev/null infile "{pipe}" format raw }}\n'
        "pcm.default { type plug slave.pcm card }\n"
    )
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(config))
    porch = {
        "source": {"type": "synthetic", "size": "320x240", "schedule": {"every": "3s", "move": "1s"}},
        "audio": {"channels": 1},
        "motion": {"settle": "500ms", "cooldown": "500ms"},
        "record": {"event": {"pre": "1s", "post": "500ms"}},
    }
    with beeping(pipe), Edgecam(tmp_path / "box", {"cameras": {"porch": porch}}) as box:
        clip = until("a clip that began when sound was there", lambda: box.sidecars()[1:], 40.0)[0]
        path = next(box.library.glob(f"recordings/*/*/{clip['id']}.mp4"))
        decodes(path)
        assert voice(path) == pytest.approx((0.0, clip["duration"]), abs=0.2)
        heard = beeps(path)
        assert len(heard) == pytest.approx(clip["duration"], abs=1.01)
        whole = [at for at in heard if at > BEEP]  # the clip may begin in the middle of one
        assert np.diff(whole) == pytest.approx(1.0, abs=0.1)
        assert "sound comes from default" in box.log
        assert box.health()["cameras"]["porch"]["sound"] is None


def test_a_box_without_a_sound_card_says_what_to_do_and_records_without_sound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "asound.conf"
    config.write_text("pcm.other { type null }\n")
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(config))
    cameras = {"porch": {"source": "synthetic", "audio": "true"}}
    with Edgecam(tmp_path / "box", {"cameras": cameras}) as box:
        told = until("it is told", lambda: box.health()["cameras"]["porch"]["sound"])
        assert told.startswith("there is no microphone: ALSA has no default device")
        assert box.health()["problems"] == []
        until("frames come", lambda: box.health()["cameras"]["porch"]["online"])
        assert "ALSA lib" not in box.log
        assert "Traceback" not in box.log
