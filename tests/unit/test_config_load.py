"""Loading: tags, includes, the environment, the command line, warnings; nothing but ConfigErrors is ever raised."""

import contextlib
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgecam.config.load import ConfigErrors, Loaded, load
from edgecam.config.model import Camera, Config, MjpegSource, Size, SyntheticSource

CAMERA = "cameras: {birdbox: {source: synthetic}}\n"
AGE = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"


def loaded(folder: Path, text: str, *overrides: str, **environ: str) -> Loaded:
    file = folder / "config.yaml"
    file.write_text(text)
    file.chmod(0o600)
    return load(file, environ=environ, overrides=overrides)


def config(folder: Path, text: str, *overrides: str, **environ: str) -> Config:
    return loaded(folder, text, *overrides, **environ).config


def test_three_lines_are_a_configuration(tmp_path: Path) -> None:
    camera = config(tmp_path, "cameras:\n  birdbox:\n    source: synthetic\n").cameras["birdbox"]
    assert isinstance(camera.source, SyntheticSource)
    assert camera.name == "Birdbox"


def test_secrets_come_from_the_file_beside_it(tmp_path: Path) -> None:
    (tmp_path / "secrets.yaml").write_text("mqtt: canary\nhost: broker\n")
    mqtt = config(tmp_path, f"mqtt: {{password: !secret mqtt, host: !secret host}}\n{CAMERA}").mqtt
    assert mqtt is not None
    assert mqtt.password is not None
    assert (mqtt.password.reveal(), mqtt.host) == ("canary", "broker")


def test_an_included_file_finds_secrets_beside_itself_and_beside_the_main_file(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "secrets.yaml").write_text("outer: one\nboth: outer\n")
    (tmp_path / "sub/secrets.yaml").write_text("both: inner\n")
    (tmp_path / "sub/mqtt.yaml").write_text("username: !secret both\nclient_id: !secret outer\n")
    found = loaded(tmp_path, f"mqtt: !include sub/mqtt.yaml\n{CAMERA}")
    assert found.config.mqtt is not None
    assert (found.config.mqtt.username, found.config.mqtt.client_id) == ("inner", "one")
    assert [file.name for file in found.files] == ["config.yaml", "mqtt.yaml", "secrets.yaml", "secrets.yaml"]


def test_a_variable_of_the_environment_has_a_default(tmp_path: Path) -> None:
    text = f"mqtt: {{host: !env_var HOST, username: !env_var USER_NAME two words}}\n{CAMERA}"
    mqtt = config(tmp_path, text, HOST="broker", USER_NAME="").mqtt
    assert mqtt is not None
    assert (mqtt.host, mqtt.username) == ("broker", "two words")


def test_a_value_in_a_file_of_its_own_follows_that_file(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("first\n")
    mqtt = config(tmp_path, f"mqtt: {{password: !file password, username: !file password}}\n{CAMERA}").mqtt
    assert mqtt is not None
    assert mqtt.password is not None
    assert (mqtt.password.reveal(), mqtt.username) == ("first", "first")
    (tmp_path / "password").unlink()
    (tmp_path / "password").write_text("longer\n")
    assert mqtt.password.reveal() == "longer"


def test_systemds_credentials_come_first(tmp_path: Path) -> None:
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials/mqtt").write_text("of systemd")
    (tmp_path / "mqtt").write_text("beside")
    text = f"mqtt: {{password: !file mqtt}}\n{CAMERA}"
    for environ, said in (({"CREDENTIALS_DIRECTORY": str(tmp_path / "credentials")}, "of systemd"), ({}, "beside")):
        mqtt = config(tmp_path, text, **environ).mqtt
        assert mqtt is not None
        assert mqtt.password is not None
        assert mqtt.password.reveal() == said


def test_a_folder_of_cameras(tmp_path: Path) -> None:
    for name in ("left", "right", "secrets", ".hidden"):
        (tmp_path / "cams").mkdir(exist_ok=True)
        (tmp_path / "cams" / f"{name}.yaml").write_text("source: synthetic\n")
    assert list(config(tmp_path, "cameras: !include_dir_named cams\n").cameras) == ["left", "right"]


def test_a_problem_in_an_included_file_is_told_there(tmp_path: Path) -> None:
    (tmp_path / "cams.yaml").write_text("birdbox:\n  sourc: synthetic\n")
    with pytest.raises(ConfigErrors) as caught:
        loaded(tmp_path, "cameras: !include cams.yaml\n")
    assert [(Path(it.file).name, it.line, it.column, it.key) for it in caught.value.problems] == [
        ("cams.yaml", 1, 1, "cameras.birdbox.source"),
        ("cams.yaml", 2, 3, "cameras.birdbox.sourc"),
    ]


def test_anchors_and_merges_work(tmp_path: Path) -> None:
    text = """
cameras:
  left: &left {source: synthetic, motion: {fps: 3}, name: Left}
  right: {<<: *left, name: Right}
  both: {<<: [{name: First, snapshot: {every: null}}, *left]}
"""
    cameras = config(tmp_path, text).cameras
    assert [camera.name for camera in cameras.values()] == ["Left", "Right", "First"]
    assert [camera.motion.fps for camera in cameras.values()] == [3, 3, 3]
    assert cameras["both"].snapshot.every is None


def test_quotes_keep_what_yaml_would_take_for_nothing(tmp_path: Path) -> None:
    assert (
        config(tmp_path, f'mqtt: {{username: "null", client_id: ~, host: !!str "null"}}\n{CAMERA}').mqtt
        == config(tmp_path, f"mqtt: {{username: 'null', host: 'null'}}\n{CAMERA}").mqtt
    )


SENSITIVITY = "cameras: {birdbox: {source: synthetic, motion: {sensitivity: 30}}}\n"
VARIABLE = "EDGECAM__CAMERAS__BIRDBOX__MOTION__SENSITIVITY"


@pytest.mark.parametrize(
    ("text", "overrides", "environ", "sensitivity"),
    [
        (CAMERA, [], {}, 50),
        ("defaults: {motion: {sensitivity: 20}}\n" + CAMERA, [], {}, 20),
        (SENSITIVITY, [], {}, 30),
        (SENSITIVITY, [], {VARIABLE: "40"}, 40),
        (SENSITIVITY, ["cameras.birdbox.motion.sensitivity=60"], {VARIABLE: "40"}, 60),
        (SENSITIVITY, ["cameras.birdbox.motion.sensitivity=60", "cameras.birdbox.motion.sensitivity=70"], {}, 70),
    ],
)
def test_the_command_line_beats_the_environment_beats_the_file_beats_the_defaults(
    tmp_path: Path, text: str, overrides: list[str], environ: dict[str, str], sensitivity: int
) -> None:
    assert config(tmp_path, text, *overrides, **environ).cameras["birdbox"].motion.sensitivity == sensitivity


def test_a_whole_camera_can_come_from_outside(tmp_path: Path) -> None:
    found = config(
        tmp_path,
        "",
        "cameras.garden.motion.masks={tree: [[0, 0], [1, 0], [1, 1]]}",
        "http.listen=[127.0.0.1:1, 127.0.0.1:2]",
        "mqtt.password=[not a list",
        EDGECAM__CAMERAS__GARDEN__SOURCE="http://cam/video",
        EDGECAM__CAMERAS__GARDEN__SOURCE__FPS="5",
        EDGECAM__CAMERAS__GARDEN__SNAPSHOT__EVERY="null",
        EDGECAM__MQTT__TLS__CA="/ca.pem",
    )
    garden = found.cameras["garden"]
    assert isinstance(garden.source, MjpegSource)
    assert (garden.source.fps, garden.source.url.reveal()) == (5, "http://cam/video")
    assert (garden.snapshot.every, garden.motion.masks["tree"][2]) == (None, (1, 1))
    assert [address.port for address in found.http.listen] == [1, 2]
    assert found.mqtt is not None
    assert found.mqtt.tls is not None
    assert found.mqtt.tls.ca == Path("/ca.pem")
    assert found.mqtt.password is not None
    assert found.mqtt.password.reveal() == "[not a list"


def test_a_key_below_a_short_form_or_a_switch_opens_it(tmp_path: Path) -> None:
    text = "mqtt: {tls: true}\ndefaults: {source: synthetic}\ncameras: {birdbox: {source: synthetic}, source: }\n"
    found = config(
        tmp_path, text, "cameras.birdbox.source.size=640x480", "mqtt.tls.verify=off", "defaults.source.fps=5"
    )
    assert found.cameras["birdbox"].source.size == Size(640, 480)
    assert [camera.source.fps for camera in found.cameras.values()] == [5, 5]
    assert found.mqtt is not None
    assert found.mqtt.tls is not None
    assert found.mqtt.tls.verify is False


def test_a_key_below_a_short_form_that_is_none_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors, match="source is not a section, so nothing can be set below it"):
        config(tmp_path, "cameras: {birdbox: {source: synthetc}}", "cameras.birdbox.source.fps=5")


def test_names_with_capitals_are_found_by_their_variables(tmp_path: Path) -> None:
    text = f"http: {{users: {{Anna: {{password: x}}}}}}\n{CAMERA}"
    assert config(tmp_path, text, EDGECAM__HTTP__USERS__ANNA__ROLE="admin").http.users["Anna"].role == "admin"


def warnings(folder: Path, text: str, mode: int = 0o600) -> list[str]:
    file = folder / "config.yaml"
    file.write_text(text)
    file.chmod(mode)
    return [str(warning).replace(f"{folder}/", "") for warning in load(file, environ={}).warnings]


def test_a_secret_in_a_file_that_others_can_read_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "secrets.yaml").write_text("x: canary\n")
    inline = "http: {users: {a: {password: canary}, b: {password: canary}}}\n" + CAMERA
    (said,) = warnings(tmp_path, inline, 0o644)
    assert said.startswith("config.yaml:1:30: http.users.a.password: is a secret in a file that others here can read")
    assert warnings(tmp_path, inline, 0o640) == [said]
    assert warnings(tmp_path, inline, 0o600) == []
    assert warnings(tmp_path, inline.replace("canary", "!secret x"), 0o644) == []
    address = 'cameras: {a: {source: "http://me:canary@cam/"}}'
    assert warnings(tmp_path, address, 0o644)[0].startswith("config.yaml:1:23: cameras.a.source.url: is a secret")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "1:1: no cameras"),
        ("mqtt: {host: h, password: x}\n" + CAMERA, "1:27: mqtt.password: travels unencrypted"),
        ("mqtt: {tls: {verify: false}}\n" + CAMERA, "1:22: mqtt.tls.verify: the broker is not checked"),
        ("http: {auth: none, users: {a: {password: x}}}\n" + CAMERA, "1:14: http.auth: none has no effect"),
        (
            f"offload: {{store: {{type: folder, path: /nas}}, encrypt: {AGE}, link_expiry: 1h}}\n{CAMERA}",
            "1:132: offload.link_expiry: has no effect: what is sealed (offload.encrypt) has no links",
        ),
        ("cameras: {a: {source: synthetic, offload: [event]}}", "1:34: cameras.a.offload: has no effect without"),
        (
            'cameras: {a: {source: {type: mjpeg, url: "http://c", fps: 5}}}',
            "1:59: cameras.a.source.fps: has no effect: type mjpeg gives what it has",
        ),
        (
            "cameras: {a: {source: {type: still, url: 'https://cam/', ca: cam.pem, verify: false}}}",
            "1:62: cameras.a.source.ca: has no effect: verify is false",
        ),
        (
            'cameras: {a: {source: {type: rtsp, url: "rtsp://c", size: 640x480}}}',
            "1:59: cameras.a.source.size: has no effect: type rtsp gives what it has",
        ),
    ],
)
def test_what_is_seldom_meant_is_a_warning(tmp_path: Path, text: str, said: str) -> None:
    (only,) = warnings(tmp_path, text)
    assert only.startswith(f"config.yaml:{said}")


@pytest.mark.parametrize(
    "text",
    [
        "mqtt: {host: localhost, password: x, tls: false}",
        "mqtt: {host: 127.0.0.1, password: x}",
        "http: {listen: '0.0.0.0:80', auth: none}",
        "http: {listen: '0.0.0.0:80', tokens: {t: {token: x, cameras: [birdbox]}}, public: [metrics, birdbox/stream]}",
        "offload: {store: {type: azure, container: c, account: a, sas_token: t}}",
        "offload: {store: {type: s3, bucket: b, access_key: k, secret_key: s, session_token: t}}",
        "offload: {store: {type: azure, container: c, connection_string: x}}",
        f"offload: {{store: {{type: folder, path: /nas}}, encrypt: {AGE}}}",
        f"offload: {{store: {{type: folder, path: /nas}}, encrypt: [{AGE}, {AGE}]}}",
    ],
)
def test_what_is_fine_is_not_commented(tmp_path: Path, text: str) -> None:
    assert warnings(tmp_path, f"{text}\n{CAMERA}") == []


KEYS = st.sampled_from([*Config.model_fields, *Camera.model_fields, "store", "type", "url", "tls", "masks", "a", "<<"])
LEAVES = st.sampled_from(
    [
        None,
        "synthetic",
        "mjpeg",
        "s3",
        "http://u:canary@c",
        "canary",
        "!secret canary",
        "5s",
        "true",
        "",
        "[",
        "5",
        "picamera2",
    ]
)
TREES = st.recursive(
    LEAVES, lambda below: st.lists(below, max_size=3) | st.dictionaries(KEYS, below, max_size=4), max_leaves=20
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None)
@given(tree=st.dictionaries(KEYS, TREES, max_size=5))
def test_nonsense_ends_in_a_list_of_problems(tmp_path: Path, tree: object) -> None:
    with contextlib.suppress(ConfigErrors):
        loaded(tmp_path, yaml.safe_dump(tree), "cameras.a.source.fps=5")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None)
@given(text=st.text(alphabet="ab:-[]{}&*!<|>'\"%@\t\n #?,~0", max_size=40))
def test_noise_ends_in_a_list_of_problems(tmp_path: Path, text: str) -> None:
    with contextlib.suppress(ConfigErrors):
        loaded(tmp_path, text)
