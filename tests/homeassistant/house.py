"""The house in which everything is checked: a broker, a store, edgecam with two cameras, and Home Assistant."""

import json
import os
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from cam import Cam
from clips import jpeg
from homeassistant.api import Api
from homeassistant.hass import HomeAssistant
from outside import Ear, Edgecam
from peers import ROOT, S3, Mosquitto, free_port

SHELF = ROOT / "ha_discovery"
USER, PASSWORD = "anna", "p@ss word"
NODE, BASE = "garden-pi", "edgecam/garden-pi"
FLIGHT = {"every": "7s", "move": "2s"}
"""The synthetic robin comes often, so that nobody waits for it."""

NEIGHBOURS = {
    "dev": {"ids": ["neighbours"], "name": "Porch"},
    "o": {"name": "tests"},
    "cmps": {
        "light": {"p": "light", "name": "Light", "uniq_id": "porch_light", "cmd_t": "porch/light/set"},
        "phone": {"p": "device_tracker", "name": "Phone", "uniq_id": "porch_phone", "stat_t": "porch/phone"},
        "dark": {"p": "binary_sensor", "name": "Dark", "uniq_id": "porch_dark", "stat_t": "porch/dark"},
        "ring": {"p": "binary_sensor", "name": "Bell", "uniq_id": "porch_bell", "stat_t": "porch/bell"},
    },
}
"""What else is in the house: a lamp, a phone that comes and goes, dusk, and a bell."""


@dataclass
class House:
    broker: Mosquitto
    ear: Ear
    edgecam: Edgecam
    cam: Cam
    """The doorway's camera, with a switch."""
    hass: HomeAssistant
    api: Api
    site: Path
    """Where edgecam looks for packages first."""

    def without_links(self) -> None:
        """From edgecam's next start on."""
        http = self.edgecam.config["http"]
        assert isinstance(http, dict)
        del http["external_url"]

    def say(self, topic: str, payload: str) -> None:
        self.ear.say(topic, payload, retain=True)


def configuration(broker: Mosquitto, s3: S3, doorway: str) -> dict[str, object]:
    """`birdbox` shows everybody its pictures, `doorway` wants a login."""
    port = free_port()
    camera = {
        "source": {"type": "synthetic", "size": "960x540", "fps": 15, "schedule": FLIGHT},
        "motion": {"cooldown": "2s", "zones": {"feeder": {"polygon": [[0, 0], [1, 0], [1, 0.6], [0, 0.6]]}}},
        "record": {"event": {"pre": "1s", "post": "1s"}},
    }
    s3.bucket("garden")
    return {
        "node": NODE,
        "mqtt": {"host": broker.host, "port": broker.port},
        "http": {
            "listen": f"127.0.0.1:{port}",
            "external_url": f"http://127.0.0.1:{port}",
            "users": {USER: {"password": PASSWORD, "role": "admin"}},
            "public": ["birdbox/stream", "birdbox/snapshot"],
        },
        "offload": {"store": s3.section("garden")},
        "cameras": {
            "birdbox": {"name": "Bird box", **camera},
            "doorway": {
                "name": "Doorway",
                "source": {"type": "mjpeg", "url": doorway, "stall_timeout": "2s"},
                "motion": {"enabled": False},
            },
        },
    }


@asynccontextmanager
async def house(folder: Path, hass: list[str]) -> AsyncIterator[House]:
    """All of it, running; edgecam begins when Home Assistant is set up."""
    with ExitStack() as stack:
        broker = stack.enter_context(Mosquitto(folder / "broker"))
        s3 = stack.enter_context(S3(folder / "s3"))
        ear = stack.enter_context(Ear(broker.port))
        cam = stack.enter_context(Cam([jpeg(number) for number in range(30)], 15))
        home = stack.enter_context(HomeAssistant(folder / "hass", hass, sorted((SHELF / "blueprints").glob("*.yaml"))))
        api = await home.settle(broker.port)
        try:
            ear.say("homeassistant/device/porch/config", json.dumps(NEIGHBOURS), retain=True)
            site = folder / "site"
            path = f"{site}:{os.environ.get('PYTHONPATH', '')}"
            environ = {"PYTHONPATH": path, "PYTHONSAFEPATH": "1"}
            config = configuration(broker, s3, cam.url)
            edgecam = stack.enter_context(Edgecam(folder / "edgecam", config, environ))
            yield House(broker, ear, edgecam, cam, home, api, site)
        finally:
            await api.close()
