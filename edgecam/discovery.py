"""`edgecam discovery`: what Home Assistant would be told, to read or as the messages; and taking it all back."""

import asyncio
import json
import socket
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from edgecam import __version__, board, log
from edgecam.clock import SystemClock
from edgecam.config.model import Config
from edgecam.identity import Identity, as_known
from edgecam.local import Daemon
from edgecam.mqtt.announcing.discovery import About, Json, messages, page_url, whole
from edgecam.supervisor import reason

OK, FAILED, USAGE = 0, 1, 2


def main(config: Config, environ: Mapping[str, str], daemon: Daemon, *, clear: bool, as_json: bool) -> int:
    """Returns the exit code: 0 done, 1 failed, 2 without an `mqtt` section."""
    if config.mqtt is None:
        return _failed("there is no `mqtt` section: nothing is announced", USAGE)
    try:
        identity = as_known(config.node, config.state_path(environ))
        if clear:
            return _clear(config, identity, environ, daemon, as_json=as_json)
    except OSError as error:
        return _failed(reason(error))
    told = messages(config, about(config, identity))
    if as_json:
        sys.stdout.write(json.dumps(told, indent=2, ensure_ascii=False) + "\n")
    elif told:
        sys.stdout.write("\n".join(listing(told)) + "\n")
    else:
        sys.stdout.write("mqtt.discovery is false: nothing is announced\n")
    return OK


def about(config: Config, identity: Identity, root: Path = Path("/"), ask: board.Ask = board.vcgencmd) -> About:
    """What the daemon would know when it starts here; a port that is not named is not known before."""
    box = board.read(root, ask())
    url = page_url(config.http.external_url, f"http://{config.http.listen[0]}", socket.gethostname())
    return About(identity.node, identity.instance, __version__, url, box.model, box.senses)


def listing(told: Mapping[str, Json]) -> Iterator[str]:
    """The entities of each device in columns, those that a person sees first before the rest."""
    for number, (topic, message) in enumerate(told.items()):
        device, entities = message["dev"], whole(message)
        assert isinstance(device, dict)
        if number:
            yield ""
        yield f"{device['name']} ({device['mdl']}): {len(entities)} entities, {topic}"
        yield from _columns(_row(entity) for entity in sorted(entities.values(), key=_order))


def _order(entity: Json) -> tuple[bool, bool, str]:
    return entity["p"] == "device_automation", not entity.get("en", True), str(entity.get("ent_cat", ""))


def _row(entity: Json) -> tuple[str, ...]:
    kind = str(entity.get("dev_cla", ""))
    name = entity.get("name", kind.replace("_", " ").capitalize() or entity.get("type"))
    state = "cmd_t" if entity["p"] == "button" else "stat_t"
    place = next(str(entity[key]) for key in ("t", "img_t", state) if key in entity)
    shown = "enabled" if entity.get("en", True) else "disabled"
    return str(name or "(the device)"), str(entity["p"]), kind, str(entity.get("ent_cat", "")), shown, place


def _columns(rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    held = list(rows)
    widths = [max(len(cell) for cell in column) for column in zip(*held, strict=True)]
    for row in held:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _clear(config: Config, identity: Identity, environ: Mapping[str, str], daemon: Daemon, *, as_json: bool) -> int:
    """Raises OSError."""
    from edgecam.mqtt.announcing.clearing import Alive, Clearing
    from edgecam.mqtt.memory import Announced, Owned
    from edgecam.mqtt.wire.entrance import Entrance

    assert config.mqtt is not None
    log.setup(config.log.level, "text", tuple(config.secrets()), config.log.modules, environ=environ)
    mqtt, state = config.mqtt, config.state_path(environ)
    running = f"edgecam {identity.node} is running, and would publish everything again: stop it first"
    if daemon.lives():
        return _failed(f"{running} (systemctl stop edgecam)")
    clock, name = SystemClock(), f"{mqtt.client_id or f'edgecam-{identity.node}'}-clear"
    entrance = Entrance(mqtt, client_id=name, will=None, state=state, clock=clock)
    broker = entrance.broker
    remembered = {*Owned(state).orphans(()), *Announced(state).topics}

    async def go() -> list[str]:
        return await Clearing(mqtt, identity.node, remembered, clock).clear(entrance)

    try:
        cleared = asyncio.run(go())
    except Alive:
        status = f"{mqtt.base_topic}/{identity.node}/status"
        gone = f"if it is gone for good: mosquitto_pub -h {mqtt.host} -t {status} -n -r"
        return _failed(f"{running}. {broker} says that it is online; {gone}")
    except OSError as error:
        return _failed(f"{broker}: {reason(error)}")
    if as_json:
        told = {"broker": broker, "node": identity.node, "cleared": cleared}
        sys.stdout.write(json.dumps(told, indent=2, ensure_ascii=False) + "\n")
        return OK
    count = f"{len(cleared)} topic{'' if len(cleared) == 1 else 's'}"
    sys.stdout.write(f"{broker}: {count} of edgecam {identity.node} cleared\n")
    return OK


def _failed(text: str, code: int = FAILED) -> int:
    sys.stderr.write(f"edgecam discovery: {text}\n")
    return code
