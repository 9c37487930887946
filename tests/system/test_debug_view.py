"""What motion sees, as somebody watches it who tunes the real daemon."""

import json
import urllib.request
from collections.abc import Iterator
from http.client import HTTPMessage, HTTPResponse, parse_headers
from pathlib import Path
from typing import Any

import pytest
import simplejpeg

from outside import Edgecam, until

pytestmark = pytest.mark.system

DEBUG = "cameras/wall/debug.mjpg"
LOGIN = {"Authorization": "Bearer panel-token"}


def parts(stream: HTTPResponse) -> Iterator[tuple[HTTPMessage, bytes]]:
    """Headers and body of each part, as they come."""
    while line := stream.readline():
        if line.startswith(b"--"):
            headers = parse_headers(stream)
            yield headers, stream.read(int(headers["Content-Length"]))


def told(box: Edgecam) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(box.send("GET", "api/health", headers=LOGIN)[2])["cameras"]["wall"]
    return found


def switch(box: Edgecam, **settings: bool) -> None:
    assert box.send("PATCH", "api/cameras/wall/settings", settings, LOGIN)[0] == 200


def refusal(box: Edgecam, path: str, headers: dict[str, str] = LOGIN) -> tuple[int, str]:
    status, _, body = box.send("GET", path, headers=headers)
    return status, json.loads(body)["reason"]


def test_looks_are_drawn_while_somebody_watches_with_what_they_say(tmp_path: Path) -> None:
    camera = {
        "source": {"type": "synthetic", "size": "320x240", "fps": 10, "schedule": {"every": "4s", "move": "2s"}},
        "motion": {"fps": 5, "settle": "1s", "zones": {"all": {"polygon": [[0, 0], [1, 0], [1, 1], [0, 1]]}}},
        "snapshot": {"every": None},
    }
    tokens = {"panel": {"token": "panel-token", "role": "admin"}}
    config = {"cameras": {"wall": camera}, "http": {"listen": "127.0.0.1:0", "tokens": tokens}}
    with Edgecam(tmp_path / "box", config) as box:
        until("it looks", lambda: told(box)["looks"] > 3)
        assert told(box)["drawn"] == 0, "nobody watches"
        assert refusal(box, DEBUG, {}) == (401, "login")
        assert refusal(box, DEBUG.replace("wall", "attic")) == (404, "not_found")
        with urllib.request.urlopen(f"{box.url}{DEBUG}?token=panel-token", timeout=20) as stream:  # noqa: S310
            coming = parts(stream)
            seen = [next(coming) for _ in range(25)]  # 5 s: it moves and rests in them
            assert {simplejpeg.decode_jpeg_header(body)[:2] for _, body in seen} == {(480 + 80, 640)}
            times = [float(headers["X-Timestamp"]) for headers, _ in seen]
            assert times == sorted(set(times))
            assert times[-1] - times[0] > 23 / 5, "no more than motion.fps"
            greens = [_green(body) for _, body in seen]
            assert max(greens) > 100, "what moved is said in green"
            assert min(greens) == 0, "what rests is not"
            assert told(box)["clients"] == 1

            switch(box, motion_detection=False)
            sizes = (simplejpeg.decode_jpeg_header(body)[:2] for _, body in coming)
            assert next(size for size in sizes if size != (560, 640)) == (240, 320), "a card"
            assert refusal(box, DEBUG) == (503, "not_looking")
            switch(box, motion_detection=True)
            assert next(size for size in sizes if size != (240, 320)) == (560, 640)
        until("the viewer has left", lambda: told(box)["clients"] == 0)
        drawn, looks = told(box)["drawn"], told(box)["looks"]
        assert drawn >= 26
        until("it looks on", lambda: told(box)["looks"] > looks + 5)
        assert told(box)["drawn"] <= drawn + 1  # one was under way
        assert f'motion_drawn_total{{camera="wall"}} {told(box)["drawn"]}' in _metrics(box)


def _metrics(box: Edgecam) -> str:
    return box.send("GET", "metrics", headers=LOGIN)[2].decode()


def _green(jpeg: bytes) -> int:
    """How many pixels of the text are green."""
    red, green, blue = simplejpeg.decode_jpeg(jpeg)[480:].astype(int).transpose(2, 0, 1)
    return int(((green > red + 70) & (green > blue + 50)).sum())
