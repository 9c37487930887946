"""What a node leaves at the broker when its configuration changes, its memory is lost, or it goes for good: nothing."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from outside import Ear, Edgecam, until
from peers import Mosquitto

DISCOVERY = "homeassistant/device/edgecam_testbox"
DOOR, GATE = f"{DISCOVERY}_door/config", f"{DISCOVERY}_gate/config"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path / "broker") as peer:
        yield peer


def box(folder: Path, broker: Mosquitto, *cameras: str, **mqtt: object) -> Edgecam:
    sources = {camera: {"source": "synthetic"} for camera in cameras}
    return Edgecam(folder, {"mqtt": {"host": "127.0.0.1", "port": broker.port, **mqtt}, "cameras": sources})


def retained(broker: Mosquitto) -> set[str]:
    """The topics that the broker would replay now. Not while another ear listens: they have one name."""
    with Ear(broker.port) as ear:

        def over() -> bool:
            ear.say("tests/over", "")
            return bool(ear.all("tests/over"))

        until("the replay is over", over)
        return {heard.topic for heard in ear.all("") if heard.retain}


def discovery(file: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """`edgecam discovery`, as a person types it."""
    command = [sys.executable, "-m", "edgecam", "discovery", "-c", str(file), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_camera_that_is_not_configured_any_more_is_announced_once_more_and_taken_back(
    tmp_path: Path, broker: Mosquitto
) -> None:
    with box(tmp_path / "box", broker, "door", "gate"):
        until("both are announced", lambda: {DOOR, GATE} <= retained(broker))
    with Ear(broker.port) as ear, box(tmp_path / "box", broker, "door"):
        ear.wait("it is announced", lambda heard: heard.topic == GATE and not heard.retain and bool(heard.payload))
        ear.wait("it is taken back", lambda heard: heard.topic == GATE and not heard.payload)
        until("its states go, too", lambda: not [topic for topic in retained(broker) if "gate" in topic])
        states = [heard for heard in ear.all("") if "/gate/" in heard.topic and not heard.retain]
        taken = next(heard.at for heard in ear.all(GATE) if not heard.payload)
        assert states
        assert min(heard.at for heard in states) > taken, "not before nobody listens"
        assert DOOR in retained(broker)


def test_without_its_state_folder_a_node_takes_back_what_the_broker_kept_of_it(
    tmp_path: Path, broker: Mosquitto
) -> None:
    with box(tmp_path / "box", broker, "door", "gate"):
        until("both are announced", lambda: {DOOR, GATE} <= retained(broker))
    shutil.rmtree(tmp_path / "box")
    with box(tmp_path / "box", broker, "door"):
        until("the other is taken back", lambda: GATE not in retained(broker), within=30)
        assert DOOR in retained(broker)


def test_with_discovery_off_nothing_is_left_under_the_prefix(tmp_path: Path, broker: Mosquitto) -> None:
    with box(tmp_path / "box", broker, "door"):
        until("it is announced", lambda: DOOR in retained(broker))
    with box(tmp_path / "box", broker, "door", discovery=False):
        until("all is taken back", lambda: not [topic for topic in retained(broker) if topic.startswith(DISCOVERY)])


def test_another_prefix_base_topic_and_node_leave_nothing_of_the_old_ones(tmp_path: Path, broker: Mosquitto) -> None:
    with box(tmp_path / "box", broker, "door"):
        until("it is announced", lambda: DOOR in retained(broker))
    renamed = box(tmp_path / "box", broker, "door", discovery="ha", base_topic="house/cams")
    renamed.config["node"] = "other"
    with renamed:
        until("it has moved", lambda: all(t.startswith(("ha/", "house/cams/other/")) for t in retained(broker)))


def test_a_node_that_goes_for_good_takes_everything_with_it(tmp_path: Path, broker: Mosquitto) -> None:
    edgecam = box(tmp_path / "box", broker, "door")
    neighbour = "homeassistant/device/edgecam_testbox2_door/config"
    with edgecam:
        until("it is announced", lambda: DOOR in retained(broker))
        refused = discovery(edgecam.folder / "config.yaml", "--clear")
        assert refused.returncode == 1
        assert "edgecam testbox is running" in refused.stderr
        assert DOOR in retained(broker)
    with Ear(broker.port) as ear:
        ear.say(neighbour, json.dumps({"o": {"name": "edgecam"}, "cmps": {}}), True)
        ear.say("edgecam/testbox/door/old", "of an earlier version", True)
        ear.wait("the broker has it", lambda heard: heard.topic.endswith("/old"))
    done = discovery(edgecam.folder / "config.yaml", "--clear")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"127.0.0.1:{broker.port}: ")
    assert "topics of edgecam testbox cleared" in done.stdout
    assert retained(broker) == {neighbour}
    told = json.loads(discovery(edgecam.folder / "config.yaml", "--clear", "--json").stdout)
    assert (told["broker"], told["node"]) == (f"127.0.0.1:{broker.port}", "testbox")
    assert DOOR in told["cleared"]


def test_who_lives_elsewhere_is_not_cleared_away(tmp_path: Path, broker: Mosquitto) -> None:
    with box(tmp_path / "box", broker, "door"):
        until("it is announced", lambda: DOOR in retained(broker))
        other = box(tmp_path / "elsewhere", broker, "door")
        other.start()
        other.down()
        refused = discovery(other.folder / "config.yaml", "--clear")
        assert refused.returncode == 1
        assert "online" in refused.stderr
        assert DOOR in retained(broker)


def test_without_a_broker_clearing_says_so(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(f"mqtt: {{host: 127.0.0.1, port: 1}}\nstorage: {{path: {tmp_path}}}\n")
    done = discovery(file, "--clear")
    assert done.returncode == 1
    assert done.stderr == "edgecam discovery: 127.0.0.1:1: Connection refused\n"
