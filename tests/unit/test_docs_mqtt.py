"""`docs/mqtt.md` names every topic and every verb, and its examples are what is understood and answered."""

import json
import re
from pathlib import Path

import pytest

from edgecam.motion.detector import Reason
from edgecam.mqtt.asked.requests import VERBS, Asked, parse
from edgecam.mqtt.topics import BUTTONS, NODE_BUTTONS, CameraTopics, Topics
from edgecam.mqtt.wire.messages import Incoming
from posting import House

PAGE = (Path(__file__).parents[2] / "docs" / "mqtt.md").read_text()
BASE = "edgecam/<node>"


def topics() -> set[str]:
    node, camera = Topics(BASE), CameraTopics(f"{BASE}/<camera>")
    found = {node.status, node.health, node.event, node.request("<verb>"), node.response("<verb>"), camera.event}
    found |= set(map(node.button, NODE_BUTTONS)) | {*camera.retained(["<zone>"])}
    return found | {f"{BASE}/<camera>/{button}/set" for button in BUTTONS}


def test_every_topic_is_named_and_no_other() -> None:
    named = set(re.findall(r"^\| `([^`]+)` \|", PAGE, re.MULTILINE)) - {"<camera>/<setting>/set"}
    assert named == {topic.removeprefix(f"{BASE}/") for topic in topics()}


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason not in (Reason.SCHEDULE, Reason.DUTY)])
def test_every_reason_why_something_is_no_motion_is_told(reason: Reason) -> None:
    assert re.search(rf"^\| {reason} \| .+ \|$", PAGE, re.MULTILINE)


def blocks(verb: str) -> tuple[dict[str, object], dict[str, object]]:
    """The request and its answer, below the verb's own heading."""
    text = PAGE.partition(f"\n### {verb}\n")[2].partition("\n### ")[0]
    request, answer = map(json.loads, re.findall(r"^```json\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    return request, answer


def test_every_verb_has_a_chapter_and_nothing_else_has() -> None:
    assert re.findall(r"^### (.+)$", PAGE, re.MULTILINE) == [*VERBS]


@pytest.mark.parametrize("verb", VERBS)
async def test_each_example_is_understood_and_answered_in_this_form(verb: str, tmp_path: Path) -> None:
    request, answer = blocks(verb)
    message = Incoming(f"edgecam/pi/request/{verb}", json.dumps(request).encode(), False)
    asked = parse(message, Topics("edgecam/pi"), ("birdbox", "gate"))
    assert isinstance(asked, Asked)
    async with House(tmp_path).open() as house:
        house.settings.set("birdbox", "sensitivity", 70)
        said = await house.said(verb, request)
    assert list(said) == list(answer)
    assert said["transaction"] == answer["transaction"] == request.get("transaction")
    assert shape(said["data"]) == shape(answer["data"])


def shape(data: object) -> object:
    """The keys, in their order."""
    return {key: shape(value) for key, value in data.items()} if isinstance(data, dict) else None
