"""The names of all topics (contract, section 5). Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from edgecam.config import model
from edgecam.settings import SETTINGS

BUTTONS = ("take_snapshot", "save_clip", "trigger", "restart")
"""Of a camera."""
NODE_BUTTONS = ("reload", "restart")
LONGEST = 256
"""Bytes of the longest topic that we are ready to answer to."""


@dataclass(frozen=True, slots=True)
class Topics:
    """Below `base` = `<base_topic>/<node>`."""

    base: str

    @property
    def status(self) -> str:
        return f"{self.base}/status"

    @property
    def health(self) -> str:
        return f"{self.base}/health"

    @property
    def event(self) -> str:
        """What happens to the node; never retained."""
        return f"{self.base}/event"

    @property
    def commands(self) -> str:
        """The filter for everything that can be asked of a camera."""
        return f"{self.base}/+/+/set"

    @property
    def node_commands(self) -> str:
        """The filter for everything that can be asked of the node."""
        return f"{self.base}/+/set"

    def button(self, key: str) -> str:
        """Where a button of the node is pressed."""
        return f"{self.base}/{key}/set"

    @property
    def requests(self) -> str:
        """The filter for requests that are answered."""
        return self.request("+")

    def request(self, verb: str) -> str:
        return f"{self.base}/request/{verb}"

    def response(self, verb: str) -> str:
        """Where a request is answered that asks for no other topic; never retained."""
        return f"{self.base}/response/{verb}"

    def may_answer(self, topic: str) -> bool:
        """Whether an answer may go there: to a topic that is none of ours but for answers, nor of the broker's own."""
        if not topic or topic.startswith("$") or set(topic) & set("+#\0") or len(topic.encode()) > LONGEST:
            return False
        return topic.startswith(self.response("")) or not f"{topic}/".startswith(f"{self.base}/")

    def camera(self, camera: str) -> "CameraTopics":
        return CameraTopics(f"{self.base}/{camera}")

    def retained(self, cameras: Mapping[str, model.Camera]) -> Iterator[str]:
        """Every topic that may ever hold something at the broker, discovery aside."""
        yield from (self.status, self.health)
        for id, camera in cameras.items():
            yield from self.camera(id).retained(camera.motion.zones)


@dataclass(frozen=True, slots=True)
class CameraTopics:
    """Below `base` = `<base_topic>/<node>/<camera>`."""

    base: str

    @property
    def status(self) -> str:
        return f"{self.base}/status"

    @property
    def state(self) -> str:
        return f"{self.base}/state"

    @property
    def motion(self) -> str:
        return f"{self.base}/motion"

    @property
    def snapshot(self) -> str:
        return f"{self.base}/snapshot"

    @property
    def motion_snapshot(self) -> str:
        return f"{self.base}/motion/snapshot"

    @property
    def event(self) -> str:
        """Never retained."""
        return f"{self.base}/event"

    @staticmethod
    def attributes(topic: str) -> str:
        return f"{topic}/attributes"

    def setting(self, key: str) -> str:
        return f"{self.base}/{key}"

    def zone(self, zone: str) -> str:
        return f"{self.base}/zone/{zone}"

    def retained(self, zones: Iterable[str]) -> Iterator[str]:
        yield from (self.status, self.state)
        for topic in (self.motion, self.snapshot, self.motion_snapshot):
            yield from (topic, self.attributes(topic))
        yield from map(self.setting, SETTINGS)
        yield from map(self.zone, zones)
