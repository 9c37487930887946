"""The configuration as models: every default of the contract, what is refused, and secrets that cannot be seen."""

import math
import pickle
from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import ValidationError

from edgecam.config.model import (
    Address,
    Camera,
    Config,
    MjpegSource,
    Motion,
    Secret,
    Size,
    StillSource,
    SyntheticSource,
    Url,
    User,
)
from edgecam.config.secret import FromFile, secrets_in
from edgecam.config.shape import is_built, sections
from edgecam.config.unbuilt import NOT_BUILT

DAY = 86400
CONTRACT: Mapping[str, object] = {
    "node": None,
    "state": None,
    "log.level": "info",
    "log.format": "auto",
    "mqtt.host": "homeassistant.local",
    "mqtt.port": None,
    "mqtt.client_id": None,
    "mqtt.protocol": "auto",
    "mqtt.keepalive": 30,
    "mqtt.tls": None,
    "mqtt.base_topic": "edgecam",
    "mqtt.discovery": "homeassistant",
    "mqtt.birth_topic": "homeassistant/status",
    "mqtt.commands": True,
    "mqtt.image_limit": 500_000,
    "http.listen": (Address("127.0.0.1", 8000),),
    "http.external_url": None,
    "http.auth": "auto",
    "http.users": {},
    "http.tokens": {},
    "http.public": (),
    "http.root": "page",
    "http.rate_limit": None,
    "http.tls": None,
    "http.base_path": "/",
    "http.trusted_proxies": (),
    "http.max_clients": 200,
    "http.access_log": False,
    "storage.path": None,
    "storage.require_mount": False,
    "storage.limit": 8_000_000_000,
    "storage.reserve": 500_000_000,
    "storage.when_full": "drop-oldest",
    "offload.kinds": ("event", "manual"),
    "offload.bandwidth": None,
    "offload.order": "events-first",
    "offload.link_expiry": DAY,
    "offload.encrypt": None,
    "offload.store.prefix": "",
    "offload.store.addressing": "auto",
    "offload.store.checksums": "auto",
    "offload.store.ca": None,
    "push": {},
    "cameras.birdbox.privacy": False,
    "cameras.birdbox.source.size": Size(1280, 720),
    "cameras.birdbox.source.fps": 15,
    "cameras.birdbox.source.rotate": 0,
    "cameras.birdbox.source.hflip": False,
    "cameras.birdbox.source.vflip": False,
    "cameras.birdbox.source.warmup": 0,  # 2 where there is a sensor
    "cameras.birdbox.source.stall_timeout": 10,
    "cameras.birdbox.source.idle_after": None,
    "cameras.birdbox.source.schedule.every": 20,
    "cameras.birdbox.source.schedule.move": 3,
    "cameras.birdbox.video.codec": "auto",
    "cameras.birdbox.video.bitrate": 2_000_000,
    "cameras.birdbox.video.qp": None,
    "cameras.birdbox.video.keyframe": 1,
    "cameras.birdbox.audio": None,
    "cameras.birdbox.image.quality": 80,
    "cameras.birdbox.image.grey": False,
    "cameras.birdbox.image.overlay": None,
    "cameras.birdbox.image.day_night": None,
    "cameras.birdbox.image.privacy_masks": {},
    "cameras.birdbox.stream.enabled": True,
    "cameras.birdbox.stream.fps": None,
    "cameras.birdbox.stream.max_width": None,
    "cameras.birdbox.stream.rewind": 0,
    "cameras.birdbox.stream.schedule": None,
    "cameras.birdbox.snapshot.every": 60,
    "cameras.birdbox.snapshot.width": None,
    "cameras.birdbox.snapshot.max_age": 5,
    "cameras.birdbox.snapshot.keep": 14 * DAY,
    "cameras.birdbox.motion.enabled": True,
    "cameras.birdbox.motion.method": "background",
    "cameras.birdbox.motion.fps": 5,
    "cameras.birdbox.motion.width": 160,
    "cameras.birdbox.motion.sensitivity": 50,
    "cameras.birdbox.motion.threshold": None,
    "cameras.birdbox.motion.min_area": 0.3,
    "cameras.birdbox.motion.min_frames": 2,
    "cameras.birdbox.motion.cooldown": 10,
    "cameras.birdbox.motion.settle": 2,
    "cameras.birdbox.motion.masks": {},
    "cameras.birdbox.motion.zones": {},
    "cameras.birdbox.motion.duty": None,
    "cameras.birdbox.motion.schedule": None,
    "cameras.birdbox.record.enabled": True,
    "cameras.birdbox.record.mode": "event",
    "cameras.birdbox.record.event.pre": 5,
    "cameras.birdbox.record.event.post": 5,
    "cameras.birdbox.record.event.max": 120,
    "cameras.birdbox.record.event.keep": 14 * DAY,
    "cameras.birdbox.record.continuous.segment": 10,
    "cameras.birdbox.record.continuous.keep": 3600,
    "cameras.birdbox.record.manual.keep": math.inf,
    "cameras.birdbox.record.timelapse": None,
    "cameras.birdbox.record.buffer.time": 60,
    "cameras.birdbox.record.buffer.memory": 16_000_000,
    "cameras.birdbox.record.schedule": None,
    "cameras.birdbox.offload": True,
    "cameras.birdbox.publish": None,
    "cameras.birdbox.push": (),
}


def made(camera: object = "synthetic", **sections: object) -> Config:
    return Config.model_validate({**sections, "cameras": {"birdbox": {"source": camera}}})


@pytest.mark.parametrize("path", CONTRACT)
def test_the_contract_says_the_default(path: str) -> None:
    found: object = made(mqtt={}, offload={"store": {"type": "s3", "bucket": "birdbox"}})
    for step in path.split("."):
        found = found[step] if isinstance(found, dict) else getattr(found, step)
    assert found == CONTRACT[path]


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("synthetic", {"type": "synthetic"}),
        ("file:clip.mp4", {"type": "file", "path": "clip.mp4"}),
        ("http://cam/video", {"type": "mjpeg", "url": "http://cam/video"}),
        ("https://cam/video", {"type": "mjpeg", "url": "https://cam/video"}),
    ],
)
def test_a_source_has_a_short_form(short: str, long: object) -> None:
    assert made(short).cameras["birdbox"].source == made(long).cameras["birdbox"].source


def test_keys_of_other_sources_may_stand_as_null() -> None:
    assert made({"type": "synthetic", "url": None, "device": None}) == made("synthetic")
    with pytest.raises(ValidationError):
        made({"type": "synthetic", "colour": None})


def test_a_push_target_is_not_built_yet() -> None:
    with pytest.raises(ValidationError, match="is not built yet") as caught:
        made(push={"prusa": {"type": "prusa_connect", "token": "canary"}})
    assert caught.value.error_count() == 1


def test_every_row_of_what_is_not_built_names_a_key() -> None:
    seen, rest = set(), [Config]
    while rest:
        section = rest.pop()
        seen |= {f"{kind.__name__}.{key}" for kind in section.__mro__ for key in section.model_fields}
        rest += [below for field in section.model_fields.values() for below in sections(field.annotation)]  # type: ignore[misc]  # narrower than Section
    assert seen >= NOT_BUILT
    assert not is_built(Camera, "push")
    assert is_built(Camera, "motion")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("record", {"schedule": {"mon": "01:00-02:00"}}),
        ("stream", {"schedule": {"mon": "01:00-02:00"}}),
        ("push", ["me"]),
    ],
)
def test_what_is_not_built_is_refused_and_its_default_is_not(key: str, value: object) -> None:
    default = Camera.model_fields[key].get_default(call_default_factory=True)
    assert Camera.model_validate({"source": "synthetic", key: default})
    with pytest.raises(ValidationError, match="is not built yet"):
        Camera.model_validate({"source": "synthetic", key: value})


@pytest.mark.parametrize(
    ("typed", "plan", "shown"),
    [
        ("500kB/s", {"else": 500_000}, "500kB/s"),
        (
            {"22:00-6:00": "2MB/s", "else": "800kbit/s"},
            {"22:00-6:00": 2_000_000, "else": 100_000},
            {"22:00-6:00": "2MB/s", "else": "100kB/s"},
        ),
        ({"08:00-17:00": "0"}, {"08:00-17:00": 0}, {"08:00-17:00": "0B/s"}),
        (None, None, None),
    ],
)
def test_a_bandwidth_is_a_rate_or_rates_by_spans_of_the_day(typed: object, plan: object, shown: object) -> None:
    offload = made(offload={"store": {"type": "folder", "path": "/x"}, "bandwidth": typed}).offload
    assert offload is not None
    assert offload.bandwidth == plan
    assert offload.model_dump(mode="json")["bandwidth"] == shown


@pytest.mark.parametrize(
    ("typed", "plan", "shown"),
    [
        ({"mon-fri": "10:00-20:00"}, {"mon-fri": ("10:00-20:00",)}, {"mon-fri": "10:00-20:00"}),
        (
            {"sat,sun": ["9:00-12:00", "22:00-06:00"]},
            {"sat,sun": ("9:00-12:00", "22:00-06:00")},
            {"sat,sun": ["9:00-12:00", "22:00-06:00"]},
        ),
        (None, None, None),
    ],
)
def test_a_schedule_names_days_with_a_span_or_several(typed: object, plan: object, shown: object) -> None:
    motion = Motion.model_validate({"schedule": typed})
    assert motion.schedule == plan
    assert motion.model_dump(mode="json")["schedule"] == shown


def test_text_stays_what_was_typed() -> None:
    config = made(node="010", mqtt={"username": "12:30", "client_id": "on", "protocol": "5", "base_topic": "yes"})
    assert config.mqtt is not None
    assert (config.node, config.mqtt.username, config.mqtt.client_id) == ("010", "12:30", "on")
    assert (config.mqtt.protocol, config.mqtt.base_topic) == ("5", "yes")


@pytest.mark.parametrize(("typed", "meant"), [("true", True), ("on", True), ("no", False), ("off", False)])
def test_switches_take_yaml_words(typed: str, meant: bool) -> None:
    tls = {"mqtt": {"tls": typed}} if typed not in ("no",) else {"mqtt": {"tls": "false"}}
    config = made(http={"access_log": typed}, **tls)
    assert config.http.access_log is meant
    assert config.mqtt is not None
    assert (config.mqtt.tls is not None) is meant
    assert config.mqtt.effective_port == (8883 if meant else 1883)


def test_discovery_can_be_switched_off_and_a_password_brings_a_user_name() -> None:
    config = made(mqtt={"discovery": "false", "password": "x"})
    assert config.mqtt is not None
    assert (config.mqtt.discovery, config.mqtt.username) == (None, "edgecam")
    assert made(mqtt={}).mqtt.username is None  # type: ignore[union-attr]  # there is one


@pytest.mark.parametrize("topic", ["", "/a", "a/", "a/#", "+/a", "$SYS"])
def test_a_topic_that_no_broker_takes_is_refused(topic: str) -> None:
    with pytest.raises(ValidationError, match="MQTT topic"):
        made(mqtt={"base_topic": topic})


def test_an_empty_section_means_its_defaults_and_an_empty_broker_means_none() -> None:
    config = Config.model_validate(
        {"mqtt": None, "http": None, "cameras": {"birdbox": {"source": "synthetic", "motion": None, "audio": None}}}
    )
    assert config.mqtt is None
    assert config.cameras["birdbox"].motion.fps == 5


def test_sections_under_defaults_lie_below_every_camera() -> None:
    config = Config.model_validate(
        {
            "defaults": {"motion": {"fps": 3, "width": 320}, "source": {"stall_timeout": "20s"}},
            "cameras": {
                "left": {"source": "synthetic", "motion": {"fps": 7}},
                "right_side": {"source": {"type": "still", "url": "http://c/s.jpg"}},
            },
        }
    )
    left, right = config.cameras.values()
    assert (left.motion.fps, left.motion.width, right.motion.fps) == (7, 320, 3)
    assert left.source.stall_timeout == right.source.stall_timeout == 20
    assert (left.name, right.name) == ("Left", "Right side")


def test_a_source_under_defaults_suits_only_cameras_of_its_type() -> None:
    config = Config.model_validate(
        {
            "defaults": {"source": {"type": "still", "url": "http://c/s.jpg", "every": "1m"}},
            "cameras": {
                "usual": None,
                "other": {"source": "synthetic"},
                "own": {"source": {"type": "still", "every": "2s"}},
            },
        }
    )
    assert [camera.source.type for camera in config.cameras.values()] == ["still", "synthetic", "still"]
    own = config.cameras["own"].source
    assert isinstance(own, StillSource)
    assert (own.every, own.url.reveal()) == (2, "http://c/s.jpg")


def test_a_slow_still_camera_is_not_taken_for_a_dead_one() -> None:
    source = {"type": "still", "url": "http://c/s.jpg"}
    assert made({**source, "every": "1m"}).cameras["birdbox"].source.stall_timeout == 180
    assert made({**source, "every": 2}).cameras["birdbox"].source.stall_timeout == 10
    assert made({**source, "every": "1m", "stall_timeout": "2m"}).cameras["birdbox"].source.stall_timeout == 120


def test_sections_can_be_built_in_python() -> None:
    source = MjpegSource(url=Url("http://cam/"), rotate=0)
    assert source.changed(fps=5).url is source.url
    user = User(password=Secret("canary"))
    assert user.changed(role="admin").password is user.password
    camera = Camera(source=SyntheticSource(fps=5))
    config = Config(cameras={"garden": camera, "named": camera.changed(name="Mine")})
    assert [camera.name for camera in config.cameras.values()] == ["Garden", "Mine"]
    assert camera.changed(offload=("event",)).offload == ("event",)


def test_numbers_from_python_are_checked_like_text() -> None:
    for section, value in (
        ("storage", {"reserve": -1}),
        ("mqtt", {"keepalive": -1}),
        ("mqtt", {"keepalive": math.nan}),
    ):
        with pytest.raises(ValidationError):
            made(**{section: value})
    mqtt = made(mqtt={"keepalive": 60}).mqtt
    assert mqtt is not None
    assert mqtt.keepalive == 60


def test_the_kinds_of_a_camera_are_its_own_or_those_of_the_store() -> None:
    store = {"store": {"type": "folder", "path": "/mnt"}, "kinds": ["event", "snapshot"]}
    cameras = {
        name: {"source": "synthetic", "offload": choice}
        for name, choice in {"all": "true", "none": "off", "some": ["manual"]}.items()
    }
    config = Config.model_validate({"offload": store, "cameras": cameras})
    assert config.offload_kinds("all") == {"event", "snapshot"}
    assert config.offload_kinds("none") == frozenset()
    assert config.offload_kinds("some") == {"manual"}
    assert config.offload_kinds("gone") == {"event", "snapshot"}, "what a removed camera left goes by the common rule"
    assert Config.model_validate({"cameras": cameras}).offload_kinds("some") == frozenset()


def test_recordings_lie_where_systemd_root_or_the_user_has_its_state(monkeypatch: pytest.MonkeyPatch) -> None:
    config = made()
    assert config.storage_path({"STATE_DIRECTORY": "/var/lib/a:/var/lib/b"}) == Path("/var/lib/a")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert config.storage_path({}) == Path("/var/lib/edgecam")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setenv("HOME", "/home/anna")
    assert config.state_path({}) == Path("/home/anna/.local/state/edgecam/state")
    config = made(storage={"path": "~/cams"}, state="/small")
    assert config.storage_path({}) == Path("/home/anna/cams")
    assert config.state_path({}) == Path("/small")


SECRETS = {
    "mqtt": {"password": "canary-1", "tls": {"key": "/k", "cert": "/c", "key_password": "canary-2"}},
    "http": {"users": {"a": {"password": "canary-3"}}, "tokens": {"t": {"token": "canary-4"}}},
    "offload": {
        "store": {"type": "azure", "container": "c", "connection_string": "AccountName=n;AccountKey=canary-5=;X=y"}
    },
    "defaults": {"source": {"type": "mjpeg", "url": "http://me:canary-6@cam/"}},
}


def test_no_secret_is_ever_shown_and_the_log_knows_them_all() -> None:
    config = made("http://me:canary%2D7@cam/video?pwd=canary%2D8&size=1", **SECRETS)
    for shown in (repr(config), str(config), config.model_dump_json(), str(config.model_dump(mode="json"))):
        assert "canary" not in shown
    known = set(config.secrets())
    assert known >= {f"canary-{n}" for n in (1, 2, 3, 4, 7, 8)} | {"canary-5=", "canary%2D7", "canary%2D8"}
    assert list(secrets_in([Secret("one"), {"x": (Secret("two"),)}, 3])) == ["one", "two"]


def test_an_address_shows_all_but_its_secrets() -> None:
    url = Url("http://me:pw@cam:81/video?user=me&pwd=x&size=big&token=")
    assert str(url) == url.safe == "http://***@cam:81/video?user=***&pwd=***&size=big&token="
    assert (url.scheme, url.host, repr(url)) == ("http", "cam", f"Url({url.safe!r})")
    assert url.reveal().startswith("http://me:pw@")
    assert list(Url("http://cam/").secrets()) == []
    assert url == Url(url.reveal())
    assert hash(url) == hash(Url(url.reveal()))
    assert url != Url("http://cam/")


@pytest.mark.parametrize("text", ["cam", "http://", "//cam", "http://cam:port/", "http://[::1", "http://cam:0/"])
def test_half_an_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="complete address"):
        Url(text)


def test_a_secret_in_a_file_is_read_anew_when_the_file_changes(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("first\nnot this\n")
    secret = Secret(FromFile("first", file))
    assert secret.reveal() == "first"
    (tmp_path / "new").write_text("second\n")
    (tmp_path / "new").replace(file)
    assert secret.reveal() == "second"
    file.write_text("")
    assert secret.reveal() == "second"
    file.unlink()
    assert secret.reveal() == "second"
    file.write_text("third\n")
    assert secret.reveal() == "third"


def test_secrets_compare_and_travel_but_do_not_show() -> None:
    secret = Secret("canary")
    assert secret == Secret("canary") != Secret("other")
    assert len({secret, Secret("canary")}) == 1
    assert pickle.loads(pickle.dumps(secret)) == secret  # noqa: S301  (our own bytes)
    assert f"{secret} {secret!r}" == "*** Secret(***)"


@pytest.mark.parametrize("value", ["", 5, ["x"], None])
def test_a_secret_is_text_that_is_not_empty(value: object) -> None:
    with pytest.raises(ValidationError):
        made(http={"users": {"a": {"password": value}}})


@pytest.mark.parametrize("value", [5, ["x"], "rtsp://x"])
def test_an_address_is_text_with_the_right_beginning(value: object) -> None:
    with pytest.raises(ValidationError):
        made({"type": "mjpeg", "url": value})


def test_controls_have_the_type_that_the_device_wants() -> None:
    from edgecam.config.fields import plain

    assert [plain(text) for text in ("true", "2", "0.5", "auto", "010", 7)] == [True, 2, 0.5, "auto", 10, 7]


def test_sound_has_a_rate_that_aac_knows() -> None:
    assert Camera.model_validate({"source": "synthetic", "audio": {"rate": 16000}}).audio
    with pytest.raises(ValidationError, match="must be one of 8000, 11025,"):
        Camera.model_validate({"source": "synthetic", "audio": {"rate": 12345}})
