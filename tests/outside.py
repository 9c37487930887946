"""The daemon seen from outside: as a child process with a YAML file, through MQTT and HTTP, as its users see it."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import paho.mqtt.client as mqtt
import yaml
from paho.mqtt.enums import CallbackAPIVersion

T = TypeVar("T")


def until(what: str, look: Callable[[], T], within: float = 20.0) -> T:
    """The first true answer of `look`, asked again and again: other processes cannot wake us."""
    deadline = time.monotonic() + within
    while not (found := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within:g} s: {what}")
        time.sleep(0.05)
    return found


class Edgecam:
    """`edgecam run` as a child process. `up` returns when the page answers, `start` at once."""

    def __init__(self, folder: Path, config: Mapping[str, object], environ: Mapping[str, str] | None = None) -> None:
        """`environ`: beside ours."""
        self.folder, self._environ = folder, dict(environ or {})
        self.config = {
            "node": "testbox",
            "storage": {"path": str(folder / "library"), "limit": "1GB", "reserve": "0B"},
            "http": {"listen": "127.0.0.1:0"},
            **config,
        }
        self.command: Sequence[str] = ("-m", "edgecam")
        """What Python runs."""
        self.process: subprocess.Popen[bytes] | None = None
        self.url = ""

    @property
    def library(self) -> Path:
        return self.folder / "library"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def up(self) -> Self:
        seen = self.start()
        try:
            self.url = until("the daemon tells its address", lambda: self._address(seen))
        except BaseException:
            self.down(signal.SIGKILL)
            raise
        return self

    def start(self) -> int:
        """Start it and wait for nothing. Returns the length of the log so far."""
        assert self.process is None
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / "config.yaml"
        file.touch(mode=0o600)
        file.write_text(yaml.safe_dump(self.config))
        with (self.folder / "log").open("ab") as log:
            seen = log.tell()
            self.process = subprocess.Popen(
                [sys.executable, *self.command, "run", "-c", str(file)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONWARNINGS": "error", "PYTHONUNBUFFERED": "1", **self._environ},
            )
        return seen

    def _address(self, seen: int) -> str:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"the daemon ended with {self.process.returncode}:\n{self.log}")
        _, told, rest = self.log[seen:].partition("listening on ")
        return rest.split("\n")[0] + "/" if told and "\n" in rest else ""

    def get(self, path: str) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body of one page."""
        return self.send("GET", path)

    def send(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Mapping[str, str], bytes]:
        """The answer to any request; `body` goes as JSON."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, dict(headers or {}), method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  (our own loopback)
                return answer.status, dict(answer.headers), answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, dict(error.headers), error.read()

    def health(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.get("api/health")[2])
        return found

    def sidecars(self) -> list[dict[str, Any]]:
        """Of all finished recordings, oldest first."""
        return [json.loads(path.read_bytes()) for path in sorted(self.library.glob("recordings/*/*/*.json"))]

    def waiting(self) -> list[str]:
        """Ids that the store has not confirmed."""
        return sorted(path.name for path in self.library.glob("spool/wait/*"))

    def down(self, sig: signal.Signals = signal.SIGTERM, within: float = 12.0) -> int:
        """End it; its exit code, negative for the signal that killed it."""
        process, self.process = self.process, None
        if process is None:
            return 0
        process.send_signal(sig)
        try:
            return process.wait(within)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"the daemon did not end within {within:g} s:\n{self.log}") from None

    def __enter__(self) -> Self:
        return self.up()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process is not None:
            self.down(signal.SIGKILL if kind else signal.SIGTERM)
        if error is not None:
            error.add_note(f"the daemon's log:\n{self.log}")


@dataclass(frozen=True)
class Heard:
    """One MQTT message and when it arrived (unix seconds)."""

    at: float
    topic: str
    payload: bytes
    retain: bool

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.payload)
        return found


class Ear:
    """Listens to everything on a broker, across its restarts, and remembers it in order."""

    def __init__(self, port: int) -> None:
        self._heard: list[Heard] = []
        self._changed = threading.Condition()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe("#", 1)
        self._client.on_message = self._message
        self._port = port

    def _message(self, _: mqtt.Client, __: object, message: mqtt.MQTTMessage) -> None:
        with self._changed:
            self._heard.append(Heard(time.time(), message.topic, bytes(message.payload), message.retain))
            self._changed.notify_all()

    def __enter__(self) -> Self:
        self._client.connect("127.0.0.1", self._port)
        self._client.loop_start()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def say(self, topic: str, payload: str | bytes, retain: bool = False) -> None:
        self._client.publish(topic, payload, 1, retain)

    def all(self, topic: str) -> list[Heard]:
        """What came on topics that end with `topic`."""
        with self._changed:
            return [heard for heard in self._heard if heard.topic.endswith(topic)]

    def last(self, topic: str) -> bytes | None:
        found = self.all(topic)
        return found[-1].payload if found else None

    def wait(self, what: str, find: Callable[[Heard], bool], within: float = 30.0, nth: int = 1) -> Heard:
        """The `nth` message, of those heard already or soon, for which `find` is true."""

        def found() -> Heard | None:
            matching = [heard for heard in self._heard if find(heard)]
            return matching[nth - 1] if len(matching) >= nth else None

        with self._changed:
            if not self._changed.wait_for(lambda: found() is not None, within):
                tail = "\n".join(f"{heard.topic} {heard.payload[:100]!r}" for heard in self._heard[-30:])
                raise AssertionError(f"not heard within {within:g} s: {what}; the last were\n{tail}")
            result = found()
            assert result is not None
            return result

    def event(self, kind: str, within: float = 30.0, nth: int = 1) -> dict[str, Any]:
        """The `nth` event of this type, as JSON."""
        return self.wait(
            f"event {kind}",
            lambda heard: heard.topic.endswith("/event") and heard.json.get("event_type") == kind,
            within,
            nth,
        ).json

    def events(self, kind: str) -> list[dict[str, Any]]:
        return [heard.json for heard in self.all("/event") if heard.json.get("event_type") == kind]


def probe(path: Path) -> dict[str, Any]:
    """What ffprobe says of a file, after ffmpeg decoded every frame of it without a word."""
    as_it_is = ("-vsync", "passthrough", "-enc_time_base", "-1")  # a camera's frames do not come at even times
    decoded = subprocess.run(
        ["ffmpeg", "-v", "error", "-xerror", "-i", str(path), *as_it_is, "-f", "null", "-"],
        capture_output=True,
        text=True,
    )
    assert (decoded.returncode, decoded.stderr) == (0, ""), decoded.stderr
    shown = subprocess.run(
        ["ffprobe", "-v", "error", "-count_frames", "-show_streams", "-show_format", "-of", "json", str(path)],
        capture_output=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(shown.stdout)
    return found
