"""Wrong files: every problem in one run, at its line and column, in words for the person who must act."""

import traceback
from pathlib import Path

import pytest

from edgecam.config.load import ConfigErrors, load

GOLDEN = Path(__file__).parents[1] / "golden"


def wrong(folder: Path, text: str | bytes, *overrides: str, **environ: str) -> list[str]:
    """What `edgecam check` says of a file with this text, a line for each problem."""
    file = folder / "config.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigErrors) as caught:
        load(file, environ=environ, overrides=overrides)
    assert "canary" not in "".join(traceback.format_exception(caught.value))
    return str(caught.value).replace(f"{folder}/", "").splitlines()


def test_one_run_says_everything_that_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "secrets.yaml").write_text("mqtt: canary\n")
    said = wrong(tmp_path, (GOLDEN / "wrong.yaml").read_text())
    assert said == (GOLDEN / "wrong.txt").read_text().splitlines()


CAMERA = "cameras: {a: {source: synthetic}}\n"
SEALED = "offload: {store: {type: folder, path: /nas}, encrypt:"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cameras:\n  a:\n\tsource: synthetic\n", "3:1: a tab; YAML is indented with spaces only"),
        ("cameras:\n  a:\n    source:\tsynthetic\n", "3:12: a tab; YAML is indented with spaces only"),
        ("mqtt:\n  password:canary\n  host: x\n", "2:11: a space is missing after this colon"),
        ("mqtt: {password:canary}\n", "1:8: mqtt.…: unknown option; is the space after the colon missing?"),
        ("mqtt:\n  password: *canary\n", "2:13: no such anchor; a value that begins with * needs quotes"),
        ("mqtt:\n  password: @canary\n", "2:13: a value cannot begin with this character; it needs quotes"),
        ("mqtt:\n  password: 'canary\n  host: x\n", "2:13: a quote or bracket that opens here is never closed"),
        ("mqtt:\n  password: [canary\n", "2:13: a quote or bracket that opens here is never closed"),
        ("http:\n  public: [canary\n  root: page\n", "3:7: a comma or a closing bracket is missing here"),
        ("mqtt:\n  password: ca: canary\n", "2:15: no ':' may stand here; is the line indented too far, "),
        ("cameras: {a: {source: synthetic}}\n---\nx: canary\n", "2:1: a second document begins here"),
        ("a: 1\n b: canary\n", "2:3: no ':' may stand here"),
        ("a:\n  - 1\n b: canary\n", "3:2: does not fit in here"),
        ("mqtt:\n  host: x\ncanary\n", "3:1: this line is no `key: value`"),
        ("a: &canary 1\nb: &canary 2\n", "2:4: this anchor is there already"),
        ("mqtt: {password: !canary}\n", "1:18: unknown tag; known are !secret"),
        ("a: !canary!x y\n", "1:4: unknown tag; known are !secret"),
        ("%canary\n", "2:1: is not valid YAML from here on"),
        ("- canary\n", "1:1: must be sections such as `cameras:`"),
        ("canary\n", "1:1: must be sections such as `cameras:`"),
        ("x: \x01\n", "1:4: a character that YAML does not allow"),
        (b"a: 1\nx: \xff\n", "2:4: is not UTF-8 from here on"),
    ],
)
def test_what_is_no_yaml_is_explained_at_its_place(tmp_path: Path, text: str | bytes, said: str) -> None:
    (only,) = wrong(tmp_path, text)
    assert only.startswith(f"config.yaml:{said}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mqtt:\n  password: !canary\n", "2:13: mqtt.password: unknown tag; known are !secret"),
        ("mqtt: !canary {a: 1}\n", "1:7: mqtt: a tag cannot stand before a list or a section"),
        ("mqtt: {password: !secret }\n", "1:18: mqtt.password: !secret needs a name after it"),
        ("mqtt: {password: !env_var CANARY}\n", "1:18: mqtt.password: the environment variable CANARY is not set"),
        ("mqtt: {host: x, host: canary}\n", "1:17: host is set twice; the first is in line 1"),
        ("? [a]\n: canary\n", "1:3: a key must be text"),
        ("mqtt: {<<: canary}\n", "1:12: << takes a section or a list of sections"),
        ("cameras: !include config.yaml\n", "1:10: cameras: this file includes itself"),
        ("cameras: !include nowhere.yaml\n", "1:10: cameras: cannot read nowhere.yaml: No such file or directory"),
        ("cameras: !include_dir_named no\n", "1:10: cameras: no is not a folder"),
        ("mqtt: {password: !file no}\n", "1:18: mqtt.password: cannot read no: No such file or directory"),
        ("mqtt: {password: !file config.yaml}\n# canary", ""),
    ],
)
def test_tags_and_keys_that_make_no_sense(tmp_path: Path, text: str, said: str) -> None:
    if not said:
        text, said = "\n" + text, "2:18: mqtt.password: the first line of config.yaml is empty or not UTF-8 text"
    (only,) = wrong(tmp_path, text)
    assert only.startswith(f"config.yaml:{said}")


def test_a_missing_secret_says_where_it_was_looked_for(tmp_path: Path) -> None:
    (said,) = wrong(tmp_path, "mqtt: {password: !secret mqtt}\n")
    assert said == "config.yaml:1:18: mqtt.password: the secret mqtt needs a file secrets.yaml with `mqtt: value`"
    (tmp_path / "secrets.yaml").write_text("mqtt_pasword: canary\nempty:\nlist: [canary]\n")
    (said,) = wrong(tmp_path, "mqtt: {password: !secret mqtt_password}\n")
    assert said.endswith("there is no secret mqtt_password in secrets.yaml (did you mean 'mqtt_pasword'?)")
    for name in ("empty", "list"):
        (said,) = wrong(tmp_path, f"mqtt: {{password: !secret {name}}}\n")
        assert said.endswith(f"the secret {name} in secrets.yaml is empty or no text")


def test_a_broken_file_of_secrets_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "secrets.yaml").write_text("mqtt: 'canary\n")
    said = wrong(tmp_path, "mqtt: {password: !secret mqtt, username: !secret mqtt}\n")
    assert said[-1] == "secrets.yaml:1:7: a quote or bracket that opens here is never closed"
    (tmp_path / "secrets.yaml").write_text("mqtt: !env_var CANARY\n")
    said = wrong(tmp_path, "mqtt: {password: !secret mqtt}\n")
    assert {line.rpartition(": ")[2] for line in said} == {
        "the environment variable CANARY is not set, and there is no default"
    }


def test_a_broken_merge_is_told_once(tmp_path: Path) -> None:
    (said,) = wrong(tmp_path, "mqtt: {<<: !include nowhere.yaml}\n")
    assert said == "config.yaml:1:12: cannot read nowhere.yaml: No such file or directory"


def test_a_place_that_may_not_be_looked_at_holds_no_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> bool:
        raise PermissionError

    monkeypatch.setattr(Path, "exists", refuse)
    (said,) = wrong(tmp_path, "mqtt: {password: !secret mqtt}\n")
    assert "the secret mqtt needs a file secrets.yaml" in said


def test_a_bomb_of_aliases_is_defused(tmp_path: Path) -> None:
    lines = ["a0: &a0 [canary, canary]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    said = wrong(tmp_path, "\n".join(lines))
    assert any("has more than 20000 values, counting its aliases" in line for line in said)


@pytest.mark.parametrize("text", ["a: " + "[" * 3000, "a: &a [*a]\n", "a: " + "{x: " * 3000])
def test_an_endless_file_is_refused(tmp_path: Path, text: str) -> None:
    said = wrong(tmp_path, text)
    assert any("nested too deeply" in line or "contains itself" in line for line in said)


def test_deep_lists_in_deep_lists_are_refused(tmp_path: Path) -> None:
    lines = [f"a{n}: &a{n} {'[' * 100}{f'*a{n - 1}' if n else 'x'}{']' * 100}" for n in range(15)]
    (said,) = wrong(tmp_path, "\n".join(lines))
    assert said == "config.yaml: is nested too deeply"


def test_what_is_no_configuration_is_not_read(tmp_path: Path) -> None:
    (said,) = wrong(tmp_path, b"#" * 1_000_001)
    assert said == "config.yaml: config.yaml is larger than 1 MB: not a configuration"
    with pytest.raises(ConfigErrors, match="No such file or directory"):
        load(tmp_path / "nowhere.yaml", environ={})


def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    for name, other in (("one", "two"), ("two", "one")):
        (tmp_path / f"{name}.yaml").write_text(f"x: !include {other}.yaml\n")
    (said,) = [line for line in wrong(tmp_path, "mqtt: !include one.yaml\n") if "itself" in line]
    assert said == "two.yaml:1:4: mqtt.x.x: this file includes itself"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "http: {listen: 0.0.0.0:80}",
            "1:16: http.listen: 0.0.0.0:80 is open to others: set http.users or http.tokens, ",
        ),
        ("http: {listen: [127.0.0.1:1, cam.local:80]}", "1:8: http.listen: cam.local:80 is open to others"),
        ("http: {tokens: {t: {token: x, cameras: [b]}}}", "1:41: http.tokens.t.cameras[0]: there is no such camera"),
        ("http: {public: [b/snapshot]}", "1:17: http.public[0]: must be metrics, or a camera's id with /snapshot"),
        ("mqtt: {tls: {cert: /c}}", "1:8: mqtt.tls: cert and key belong together"),
        ("mqtt: {tls: {key_password: x}}", "1:28: mqtt.tls.key_password: there is no key that it opens"),
        (
            "offload: {store: {type: folder, path: /x}, bandwidth: {22:00-06:00: 1MB/s, else: 0, 05:00-7:00: 2MB/s}}",
            "1:97: offload.bandwidth.…: overlaps 22:00-06:00; only one rate can hold at a time",
        ),
        (
            "offload: {store: {type: s3, bucket: b, access_key: k}}",
            "1:11: offload.store: access_key and secret_key belong together",
        ),
        (
            "offload: {store: {type: s3, bucket: b, session_token: k}}",
            "1:55: offload.store.session_token: needs access_key and secret_key",
        ),
        (
            "offload: {store: {type: azure, container: c}}",
            "1:11: offload.store: needs connection_string, account or endpoint",
        ),
        (
            "offload: {store: {type: azure, container: c, connection_string: x, account: a}}",
            "1:65: offload.store.connection_string: says everything already; leave out account",
        ),
        (
            "offload: {store: {type: azure, container: c, account: a, account_key: k, sas_token: t}}",
            "1:85: offload.store.sas_token: account_key and sas_token exclude each other",
        ),
        (
            'offload: {store: {type: azure, container: c, endpoint: "http://e", account_key: k}}',
            "1:81: offload.store.account_key: needs account",
        ),
        (
            "defaults: {record: {event: {pre: 2m}}}",
            "1:34: defaults.record.event.pre: must be at most 60s",
        ),
    ],
)
def test_keys_that_cannot_work_together(tmp_path: Path, text: str, said: str) -> None:
    (only,) = wrong(tmp_path, f"{text}\n{CAMERA}")
    assert only.startswith(f"config.yaml:{said}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mqtt: {image_limit: 1kB}", "mqtt.image_limit: must be at least 10kB"),
        ("mqtt: {keepalive: 24h}", "mqtt.keepalive: must be at most 65535s"),
        ("defaults: {motion: {cooldown: 0s}}", "defaults.motion.cooldown: must be more than 0s"),
        ("defaults: {motion: {min_area: 101%}}", "defaults.motion.min_area: must be at most 100%"),
        ("defaults: {snapshot: {every: 1ms}}", "defaults.snapshot.every: must be at least 1s"),
        ("defaults: {record: {event: {max: 1s}}}", "defaults.record.event.max: must be at least 2s"),
        ("mqtt: {keepalive: 1s}", "mqtt.keepalive: must be at least 5s"),
        ("storage: {limit: 0}", "storage.limit: must be more than 0B"),
        ("defaults: {stream: {fps: 1000}}", "defaults.stream.fps: must be at most 240"),
        (f"{SEALED} []}}", "offload.encrypt: must name a recipient; to encrypt nothing, leave it out"),
        (
            f"{SEALED} AGE-SECRET-KEY-1X}}",
            "offload.encrypt[0]: is a secret key: write the public one, from `age-keygen -y FILE`",
        ),
        ("defaults: {source: {rotate: 90}}", "defaults.source.rotate: must be 0 or 180"),
        ("defaults: {stream: {rewind: 10s}}", "defaults.stream.rewind: is not built yet; leave it out for now"),
        ("defaults: {source: {color: red}}", "defaults.source.color: unknown option for type synthetic"),
    ],
)
def test_a_limit_is_said_in_the_units_of_the_file(tmp_path: Path, text: str, said: str) -> None:
    (only,) = wrong(tmp_path, f"{text}\n{CAMERA}")
    assert only.endswith(f": {said}")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{type: synthetic, schedule: {every: 2s}}", "source.schedule.move: must be shorter than every"),
        (
            '{type: still, url: "http://c/", every: 9s, stall_timeout: 5s}',
            "source.stall_timeout: must be longer than every",
        ),
    ],
)
def test_a_source_whose_times_contradict_each_other(tmp_path: Path, source: str, said: str) -> None:
    (only,) = wrong(tmp_path, f"cameras: {{a: {{source: {source}}}}}")
    assert only.endswith(f"cameras.a.{said}")


@pytest.mark.parametrize(
    ("motion", "said"),
    [
        ("{schedule: 10:00-20:00}", '1:53: S: must name days and their hours, such as {"mon-fri": "10:00-20:00"}'),
        ("{schedule: {}}", "1:43: S: must name days and their hours, such as"),
        ("{schedule: {mon: []}}", "1:54: S.mon: needs a span of the day such as 10:00-20:00"),
        ("{schedule: {mon: 10-20}}", "1:59: S.mon[0]: must be a span of the day such as 22:00-06:00"),
        (
            "{schedule: {mon: [08:00-9:00, 10-20]}}",
            "1:72: S.mon[1]: must be a span of the day such as 22:00-06:00",
        ),
        ("{schedule: {mon: 08:00-08:00}}", "1:59: S.mon[0]: must not end where it begins; write 00:00-24:00 for"),
        (
            "{schedule: {monday: 1:00-2:00}}",
            "1:54: S.monday: must be days such as mon-fri, sat-mon or tue,thu, or daily;",
        ),
        (
            "{zones: {z: {polygon: [[0, 0], [1, 0], [1, 1]], schedule: {mo: 1:00-2:00}}}}",
            "1:101: cameras.a.motion.zones.z.schedule.mo: must be days such as",
        ),
        (
            "{min_frames: 4, duty: {looks: 4}}",
            "1:72: D.looks: must be more than motion.min_frames (4), or no motion could",
        ),
        ("{duty: {pause: 0s}}", "1:57: D.pause: must be more than 0s"),
        ("{duty: {pause: forever}}", "1:57: D.pause: must end: forever is not possible here"),
        ("{duty: {looks: 1}}", "1:57: D.looks: must be at least 2"),
        ("{duty: {loops: 15}}", "1:50: D.loops: unknown option (did you mean 'looks'?)"),
    ],
)
def test_a_schedule_or_a_duty_that_makes_no_sense_is_told_at_its_place(tmp_path: Path, motion: str, said: str) -> None:
    (only,) = wrong(tmp_path, f"cameras: {{a: {{source: synthetic, motion: {motion}}}}}")
    said = said.replace("S", "cameras.a.motion.schedule", 1).replace("D", "cameras.a.motion.duty", 1)
    assert only.startswith(f"config.yaml:{said}")


def test_a_polygon_with_a_wrong_corner_is_not_called_too_short(tmp_path: Path) -> None:
    masks = "{gate: [[0, 0], [1, 0], [1, 9]]}"
    (only,) = wrong(tmp_path, f"cameras: {{a: {{source: synthetic, motion: {{masks: {masks}}}}}}}")
    assert only.endswith("motion.masks.gate[2][1]: must be at most 1")
    (only,) = wrong(tmp_path, "cameras: {a: {source: synthetic, motion: {masks: {gate: [[0, 0], [1, 0]]}}}}")
    assert only.endswith("motion.masks.gate: needs at least 3 entries")


def test_a_camera_must_not_close_in_each_pause_of_its_duty(tmp_path: Path) -> None:
    source = "{type: synthetic, idle_after: 5s}"
    (only,) = wrong(tmp_path, f"cameras: {{a: {{source: {source}, motion: {{duty: {{pause: 5s}}}}}}}}")
    assert only.endswith(
        "motion.duty.pause: must be shorter than source.idle_after, or the camera could close in each pause"
    )


@pytest.mark.parametrize(
    ("cameras", "said"),
    [
        (
            "{a: {source: synthetic, publish: {rtsp: rtsp://h/a}}}",
            "cameras.a.publish.rtsp: type synthetic gives JPEG pictures; H.264 or H.265 is needed, nothing is encoded",
        ),
        (
            '{a: {source: "http://c/", publish: {rtsp: rtsp://h/a}}}',
            "cameras.a.publish.rtsp: type mjpeg gives JPEG pictures; H.264 or H.265 is needed, nothing is encoded",
        ),
        (
            "{a: {source: {type: still, url: http://c/}, publish: {rtsp: rtsps://h/a}}}",
            "cameras.a.publish.rtsp: type still gives JPEG pictures; H.264 or H.265 is needed, nothing is encoded",
        ),
        (
            '{a: {source: "file:a.mp4", publish: {rtsp: rtsp://h/x}}, '
            'b: {source: "file:b.mp4", publish: {rtsp: rtsp://h/x}}}',
            "cameras.b.publish.rtsp: a is published there already",
        ),
        (
            '{a: {source: "file:a.mp4", publish: {rtsp: "http://anna:canary@h/x"}}}',
            "cameras.a.publish.rtsp: must begin with rtsp:// or rtsps://",
        ),
    ],
)
def test_a_stream_that_cannot_be_published(tmp_path: Path, cameras: str, said: str) -> None:
    (only,) = wrong(tmp_path, f"cameras: {cameras}")
    assert only.endswith(said)
    assert "canary" not in only


@pytest.mark.parametrize(
    ("overrides", "environ", "said"),
    [
        (["mqtt.hosst=x"], {}, "--set: mqtt.hosst: unknown option (did you mean 'host'?)"),
        (["mqtt.host"], {}, "--set: must be section.key=value"),
        (["..=1"], {}, "--set: must be section.key=value"),
        (["node.x=1"], {}, "--set: node.x: node is not a section, so nothing can be set below it"),
        ([], {"EDGECAM__MQTT__HOSST": "x"}, "EDGECAM__MQTT__HOSST: mqtt.hosst: unknown option (did you mean 'host'?)"),
        ([], {"EDGECAM__": "x"}, "EDGECAM__: must be EDGECAM__SECTION__KEY=value"),
        ([], {"EDGECAM__HTTP__MAX_CLIENTS": "canary"}, "EDGECAM__HTTP__MAX_CLIENTS: http.max_clients: must be a whole"),
    ],
)
def test_what_is_set_from_outside_is_checked_as_well(
    tmp_path: Path, overrides: list[str], environ: dict[str, str], said: str
) -> None:
    (only,) = wrong(tmp_path, "node: x\n" + CAMERA, *overrides, **environ)
    assert only.startswith(said)


@pytest.mark.parametrize(
    ("bandwidth", "said"),
    [
        ("fast", "1:55: offload.bandwidth: must be a rate such as 500kB/s or 2Mbit/s"),
        ("500", "1:55: offload.bandwidth: must be a rate such as 500kB/s or 2Mbit/s"),
        ("0", "1:55: offload.bandwidth: must be more than 0B/s; a rate of 0 can only stand for a span of the day"),
        ("0kB/s", "1:55: offload.bandwidth: must be more than 0B/s"),
        ("[5kB/s]", "1:44: offload.bandwidth: must be a section with keys of its own"),
        ("{els: 5kB/s}", "1:56: offload.bandwidth.els: must be a span of the day such as 22:00-06:00, or else"),
        ("{22-6: 5kB/s}", "1:56: offload.bandwidth.22-6: must be a span of the day such as 22:00-06:00, or else"),
        (
            "{08:00-08:00: 1kB/s}",
            "1:56: offload.bandwidth.…: must not end where it begins; write 00:00-24:00 for the whole day",
        ),
        ("{else: fast}", "1:62: offload.bandwidth.else: must be a rate such as 500kB/s or 2Mbit/s"),
        ("{else: 0, 08:00-10:00: 5}", "1:78: offload.bandwidth.…: must be a rate such as 500kB/s or 2Mbit/s"),
    ],
)
def test_a_bandwidth_that_makes_no_sense_is_told_at_its_place(tmp_path: Path, bandwidth: str, said: str) -> None:
    (only,) = wrong(tmp_path, f"offload: {{store: {{type: folder, path: /x}}, bandwidth: {bandwidth}}}\n{CAMERA}")
    assert only.startswith(f"config.yaml:{said}")
