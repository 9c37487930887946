"""Links that a phone opens: an event's JSON on a real broker, a proxy that shows us under a prefix, and no login."""

import threading
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from outside import Ear, Edgecam, probe, until
from peers import Mosquitto

pytestmark = pytest.mark.system

PREFIX = "/cams/garden"
ANNA = {"Authorization": "Basic " + b64encode(b"anna:correct horse").decode()}


@contextmanager
def proxy(behind: Callable[[], str]) -> Iterator[str]:
    """A reverse proxy that shows `behind()`, whose address ends with a slash, below PREFIX. Its own address."""

    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.removeprefix(f"{PREFIX}/")
            status, headers, body = fetch(behind() + path, {**dict(self.headers), "X-Forwarded-For": "192.0.2.7"})
            self.send_response(status)
            self.send_header("Content-Type", headers["Content-Type"])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}{PREFIX}"
        finally:
            server.shutdown()
            serving.join()


def fetch(url: str, headers: Mapping[str, str] | None = None) -> tuple[int, Mapping[str, str], bytes]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=dict(headers or {})), timeout=10) as answer:  # noqa: S310
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), error.read()


def test_an_event_s_links_open_its_picture_and_clip_on_a_phone_without_a_login(tmp_path: Path) -> None:
    box = Edgecam(tmp_path / "box", {})
    with Mosquitto(tmp_path / "mqtt") as broker, Ear(broker.port) as ear, proxy(lambda: box.url) as external:
        box.config |= {
            "mqtt": {"host": "127.0.0.1", "port": broker.port},
            "http": {
                "listen": "127.0.0.1:0",
                "external_url": external.replace("//", "//anna:hidden-word@"),
                "users": {"anna": {"password": "correct horse", "role": "admin"}},
                "access_log": True,
            },
            "offload": {"store": {"type": "folder", "path": str(tmp_path / "nas")}},
            "cameras": {
                "wall": {
                    "source": {"type": "synthetic", "schedule": {"every": "8s", "move": "2s"}},
                    "motion": {"cooldown": "2s"},
                    "record": {"event": {"pre": "1s", "post": "1s"}},
                }
            },
        }
        with box:
            begun = ear.event("motion_started")
            assert begun["snapshot_url"].startswith(f"{external}/cameras/wall/events/{begun['event_id']}.jpg?")
            status, headers, at_once = fetch(begun["snapshot_url"])
            assert (status, headers["Content-Type"], at_once[:2]) == (200, "image/jpeg", b"\xff\xd8")

            stored = ear.event("clip_stored")
            assert stored["clip_url"].startswith(f"{external}/media/{stored['id']}.mp4?")
            status, headers, clip = fetch(stored["clip_url"])
            assert (status, headers["Content-Type"], len(clip)) == (200, "video/mp4", stored["size"])
            (tmp_path / "clip.mp4").write_bytes(clip)
            assert probe(tmp_path / "clip.mp4")["streams"][0]["codec_name"] == "h264"
            assert fetch(stored["snapshot_url"])[0] == 200

            assert fetch(stored["clip_url"].partition("?")[0])[0] == 401
            assert fetch(f"{external}/")[0] == fetch(f"{external}/cameras/wall/snapshot.jpg")[0] == 401
            assert fetch(f"{external}/cameras/wall/snapshot.jpg", ANNA)[0] == 200
            assert fetch(stored["clip_url"][:-1] + "~")[0] == 403
        with box:  # neither the key nor the event's picture ends with the process
            assert fetch(stored["clip_url"])[::2] == (200, clip)
            assert fetch(begun["snapshot_url"])[0] == 200
        (key,) = box.folder.rglob("links.key")
        assert key.stat().st_mode & 0o777 == 0o600
        key.unlink()
        with box:
            until("the pages answer", lambda: fetch(f"{external}/", ANNA)[0] == 200)
            assert fetch(stored["clip_url"])[0] == 403
        told = "".join(heard.payload.decode(errors="replace") for heard in ear.all(""))
        assert "hidden-word" not in told + box.log
        assert "signature=" not in box.log
        assert f"GET /media/{stored['id']}.mp4 200" in box.log
