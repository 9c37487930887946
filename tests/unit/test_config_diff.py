"""What a reload would change, as paths of keys: all of it, no value, and nothing that makes no difference."""

import pytest

from edgecam.config.diff import changes
from edgecam.config.model import Config

BEFORE: dict[str, object] = {
    "mqtt": {"host": "broker", "password": "canary-1"},
    "http": {"users": {"anna": {"password": "canary-2"}}},
    "cameras": {
        "birdbox": {"source": "http://me:canary-3@cam/video", "motion": {"masks": {"tree": [[0, 0], [1, 0], [1, 1]]}}},
        "gate": {"source": "synthetic"},
    },
}


def after(**sections: object) -> tuple[str, ...]:
    return changes(Config.model_validate(BEFORE), Config.model_validate(BEFORE | sections))


GATE = {"source": "synthetic"}
BIRDBOX = {"source": "http://me:canary-3@cam/video", "motion": {"masks": {"tree": [[0, 0], [1, 0], [1, 1]]}}}


@pytest.mark.parametrize(
    ("sections", "paths"),
    [
        ({}, []),
        ({"node": "other"}, ["node"]),
        ({"mqtt": None}, ["mqtt"]),
        ({"mqtt": {"host": "other", "password": "canary-9"}}, ["mqtt.host", "mqtt.password"]),
        ({"http": {"users": {"anna": {"password": "canary-9"}}}}, ["http.users.anna.password"]),
        ({"http": {"users": {"otto": {"password": "canary-2"}}}}, ["http.users.anna", "http.users.otto"]),
        ({"http": {}}, ["http.users.anna"]),
        ({"offload": {"store": {"type": "folder", "path": "/mnt"}}}, ["offload"]),
        ({"cameras": {"birdbox": BIRDBOX}}, ["cameras.gate"]),
        ({"cameras": {"birdbox": BIRDBOX, "gate": GATE, "roof": GATE}}, ["cameras.roof"]),
        ({"cameras": {"gate": GATE, "birdbox": BIRDBOX}}, ["cameras"]),
        (
            {"cameras": {"birdbox": BIRDBOX | {"source": "http://me:canary-4@cam/video"}, "gate": GATE}},
            ["cameras.birdbox.source.url"],
        ),
        ({"cameras": {"birdbox": BIRDBOX, "gate": {"source": "http://x/y"}}}, ["cameras.gate.source"]),
        (
            {"cameras": {"birdbox": {**BIRDBOX, "motion": {}}, "gate": {**GATE, "motion": {"fps": 3}}}},
            ["cameras.birdbox.motion.masks.tree", "cameras.gate.motion.fps"],
        ),
        ({"defaults": {"motion": {"fps": 3}}}, ["cameras.birdbox.motion.fps", "cameras.gate.motion.fps"]),
        ({"defaults": {"motion": {"fps": 5}}}, []),
    ],
)
def test_what_changed_is_named_by_its_path(sections: dict[str, object], paths: list[str]) -> None:
    found = after(**sections)
    assert list(found) == paths
    assert "canary" not in "".join(found)
