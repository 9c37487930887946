"""Rules over several keys."""

import pytest

from edgecam.config.model import Config, DayNight, Image
from edgecam.config.rules import conflicts, doubts
from edgecam.config.source import RtspSource


def camera(source: dict[str, object], image: dict[str, object]) -> Config:
    """An RTSP camera, whatever of it is built yet."""
    config = Config.model_validate({"cameras": {"a": {"source": "rtsp://cam/stream"}}})
    plain = config.cameras["a"]
    assert isinstance(plain.source, RtspSource)
    changed = plain.model_copy(
        update={"source": plain.source.model_copy(update=source), "image": Image().model_copy(update=image)}
    )
    return config.model_copy(update={"cameras": {"a": changed}})


@pytest.mark.parametrize(
    ("source", "image", "place"),
    [
        ({"hflip": True}, {}, ("source", "hflip")),
        ({"vflip": True}, {}, ("source", "vflip")),
        ({"rotate": 180}, {}, ("source", "rotate")),
        ({}, {"grey": True}, ("image", "grey")),
        ({}, {"day_night": DayNight()}, ("image", "day_night")),
    ],
)
def test_what_would_change_the_pixels_of_a_video_that_passes_undecoded_is_refused(
    source: dict[str, object], image: dict[str, object], place: tuple[str, str]
) -> None:
    ((where, said),) = conflicts(camera(source, image))
    assert where == ("cameras", "a", *place)
    assert "set this in the camera's own settings" in said


def test_an_rtsp_camera_as_it_comes_is_fine() -> None:
    assert list(conflicts(camera({}, {}))) == []


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"storage": {"path": "/mnt/usb", "require_mount": True}}, ("storage", "require_mount")),
        ({"storage": {"path": "/mnt/usb", "require_mount": True}, "state": "/mnt/usb/state"}, ("state",)),
        ({"storage": {"path": "/mnt/usb", "require_mount": True}, "state": "/mnt/usb"}, ("state",)),
        ({"storage": {"path": "/mnt/usb", "require_mount": True}, "state": "/var/lib/edgecam"}, None),
        ({"storage": {"require_mount": True}, "state": "/var/lib/edgecam-state"}, None),
        ({"storage": {"path": "/mnt/usb"}}, None),
    ],
)
def test_a_storage_that_may_be_absent_needs_its_state_elsewhere(
    config: dict[str, object], said: tuple[str, ...] | None
) -> None:
    assert [where for where, _ in conflicts(Config.model_validate(config))] == ([said] if said else [])


SMALL = [[0.5, 0.5], [0.52, 0.5], [0.52, 0.52]]
"""Less than 0.04 % of the picture."""
WIDE = [[0, 0], [1, 0], [1, 1]]


@pytest.mark.parametrize(
    ("motion", "zone", "key", "said"),
    [
        ({}, {"polygon": SMALL}, "polygon", "smaller than min_area (0.3% of the picture)"),
        ({}, {"polygon": SMALL, "min_area": "1%"}, "min_area", "smaller than min_area (1% of the picture)"),
        ({"method": "difference"}, {"polygon": WIDE, "min_area": "1%"}, "min_area", "has no effect"),
        ({}, {"polygon": SMALL, "min_area": "0.01%"}, None, ""),
        ({"min_area": "0.01%"}, {"polygon": SMALL}, None, ""),
        ({"method": "difference"}, {"polygon": SMALL}, None, ""),
        ({}, {"polygon": WIDE, "min_area": "20%"}, None, ""),
    ],
)
def test_a_zone_that_can_never_be_touched_is_doubted(
    motion: dict[str, object], zone: dict[str, object], key: str | None, said: str
) -> None:
    camera = {"source": "synthetic", "motion": {**motion, "zones": {"feeder": zone}}}
    found = list(doubts(Config.model_validate({"cameras": {"a": camera}})))
    if key is None:
        assert found == []
    else:
        ((where, sentence),) = found
        assert where == ("cameras", "a", "motion", "zones", "feeder", key)
        assert said in sentence
