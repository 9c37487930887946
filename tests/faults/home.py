"""A whole daemon before rclone's S3, and clips that wait for it: where the rows of the box itself are played."""

import signal
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from edgecam.media import MediaKind, Sidecar
from faultproxy import Proxy
from outside import Edgecam, until
from peers import S3, Mosquitto
from waiting import save, stored_once

HOUR = 3600.0
MOVING = {"type": "synthetic", "size": "320x240", "fps": 10, "schedule": {"every": "3s", "move": "1s"}}
"""A camera before which something moves every other second."""


def recording(source: Mapping[str, object] = MOVING) -> dict[str, object]:
    """The section of a camera that records all the time, in short files that need no coding."""
    return {
        "source": dict(source),
        "video": {"codec": "mjpeg"},
        "motion": {"cooldown": "500ms", "settle": "300ms"},
        "record": {
            "mode": "both",
            "event": {"pre": "500ms", "post": "500ms"},
            "continuous": {"segment": "2s"},
        },
    }


class Home:
    """The server is up inside the context, the daemon is the caller's to start. Its uploads cross `proxy`."""

    def __init__(
        self,
        folder: Path,
        *,
        cameras: Mapping[str, object] | None = None,
        kinds: tuple[str, ...] = ("event",),
        broker: Mosquitto | None = None,
        environ: Mapping[str, str] | None = None,
        **storage: object,
    ) -> None:
        """`storage`: of that section."""
        self.server = S3(folder / "s3")
        self.bucket = self.server.bucket("birdbox")
        self.proxy = Proxy(self.server.port)
        config = {
            "state": str(folder / "state"),
            "storage": {"path": str(folder / "box/library"), "limit": "1GB", "reserve": "0B", **storage},
            "offload": {"store": self.server.section("birdbox", self.proxy.port), "kinds": list(kinds)},
            "cameras": cameras or {},
        }
        if broker:
            config["mqtt"] = {"host": broker.host, "port": broker.port}
        self.box = Edgecam(folder / "box", config, environ)
        self.clips: list[Sidecar] = []

    def __enter__(self) -> Self:
        self.server.up()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self.box.process:
            self.box.down(signal.SIGKILL)
        self.proxy.__exit__(None, None, None)
        self.server.down()

    def waits(
        self, count: int, size: int = 100_000, *, kind: MediaKind = MediaKind.EVENT, hours: int = 8, last: int = 1
    ) -> list[Sidecar]:
        """So many clips wait, the oldest first, begun so many hours ago and all within the `last` hours from then."""
        begin = int(time.time() - hours * HOUR)  # whole seconds, each once: so are the contents
        starts = [begin + number * last * HOUR // count for number in range(count)]
        found = [save(self.box.library, start=start, size=size, kind=kind) for start in starts]
        self.clips += found
        return found

    def arrived(self) -> list[Path]:
        """The media in the bucket."""
        return [path for path in self.bucket.rglob("*.mp4") if path.is_file()]

    def drained(self, within: float = 60.0) -> None:
        """Wait until nothing waits."""
        until("everything is stored", lambda: not self.box.waiting(), within)

    def check(self, but: Collection[str] = (), *, node: str = "testbox") -> None:
        """The bucket holds these clips, `but` some, and nothing else; here each has its receipt."""
        stored_once(self.bucket, self.box.library, [one for one in self.clips if one.id not in but], node=node)

    def under_way(self, after: int, share: float) -> bool:
        """Whether of a clip that came after so many requests this share, 0..1, has arrived, and not all."""
        asked = [request for request in self.proxy.seen[after:] if request.method == "PUT" and ".mp4" in request.path]
        return any(share * request.size <= request.passed < request.size for request in asked[-1:])
