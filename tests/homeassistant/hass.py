"""A real Home Assistant as a peer: `hass` in a folder of its own, set up through its own API as a person would."""

from contextlib import suppress
from pathlib import Path

from homeassistant.api import Api, Json, Refused
from peers import Peer

CONFIGURATION = """\
homeassistant:
  name: Home
  latitude: 52.0
  longitude: 5.0
  elevation: 0
  unit_system: metric
  time_zone: UTC
  country: NL
  currency: EUR
http:
  server_host: {host}
  server_port: {port}
logger:
  default: warning
frontend:
history:
logbook:
mobile_app:
person:
sun:
script:
automation: !include automations.yaml
{more}
"""
"""What `default_config` brings and these checks need, without what asks the internet."""

ECHO = "No device components to cleanup"
"""When a device goes, 2026.2 empties its topic itself, once for each entity, and complains of what it hears of that."""


class HomeAssistant(Peer):
    """`hass` is a command that takes `-c FOLDER`; `blueprints` are files as a user copies them.

    `up` returns when its port answers, `settle` when somebody has moved in.
    """

    ready_within, ends_within = 180.0, 60.0

    def __init__(self, folder: Path, hass: list[str], blueprints: list[Path], more: str = "") -> None:
        super().__init__(folder)
        self._hass, self._blueprints, self._more = hass, blueprints, more

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def command(self) -> list[str]:
        config = self.folder / "config"
        shelf = config / "blueprints/automation/edgecam"
        shelf.mkdir(parents=True, exist_ok=True)
        for blueprint in self._blueprints:
            (shelf / blueprint.name).write_bytes(blueprint.read_bytes())
        written = CONFIGURATION.format(host=self.host, port=self.port, more=self._more)
        (config / "configuration.yaml").write_text(written)
        automations = config / "automations.yaml"
        if not automations.exists():
            automations.write_text("[]\n")
        return [*self._hass, "-c", str(config)]

    async def settle(self, broker: int) -> Api:
        """Somebody moves in, takes what is proposed, and adds the MQTT integration; this house's connected API."""
        api = Api(self.url)
        try:
            await api.move_in()
            await api.connect()
            await api.until("Home Assistant runs", self._runs, within=self.ready_within)
            await self._keep_port(api)
            await api.add("mqtt", {"broker": self.host, "port": broker})
        except BaseException:
            await api.close()
            raise
        return api

    @staticmethod
    async def _runs(api: Api) -> bool:
        facts: Json = await api.get("/api/config")
        return bool(facts["state"] == "RUNNING")

    @staticmethod
    async def _keep_port(api: Api) -> None:
        """Say that its address works: since 2026 it goes back to the old one, and restarts, when nobody does."""
        with suppress(Refused):  # older ones do not ask
            await api.ask("http/config/promote")

    def complaints(self) -> list[str]:
        """Warnings and errors of its log that are about us."""
        ours = ("mqtt", "edgecam", "blueprint", "automation", "template", "lovelace", "birdbox", "bird_box")
        loud = [line for line in self.log.splitlines() if " WARNING " in line or " ERROR " in line]
        return [line for line in loud if any(word in line.lower() for word in ours) and ECHO not in line]
