"""`record.timelapse`: what people type, what it means, and what is said of what cannot be."""

from pathlib import Path

import pytest

from edgecam.config.load import ConfigErrors, load
from edgecam.config.model import Config, Timelapse


def loaded(folder: Path, timelapse: str, more: str = "") -> tuple[Config, list[str]]:
    """The configuration of a camera with this timelapse, as YAML, and its warnings."""
    path = folder / "config.yaml"
    path.write_text(f"cameras:\n  garden: {{source: synthetic, record: {{timelapse: {timelapse}}}}}\n{more}")
    found = load(path, environ={})
    return found.config, [str(warning).partition("timelapse.")[2] for warning in found.warnings]


def of(config: Config) -> Timelapse:
    lapse = config.cameras["garden"].record.timelapse
    assert lapse is not None
    return lapse


def test_a_switch_is_enough_for_a_still_a_minute_and_a_film_a_day(tmp_path: Path) -> None:
    for typed in ("true", "{}", "{every: 1m, daily: 0:05, keep: 30d}"):
        lapse = of(loaded(tmp_path, typed)[0])
        assert (lapse.every, lapse.at, str(lapse.daily), lapse.fps, lapse.keep) == (60, (), "00:05", 25, 30 * 86400)
    assert loaded(tmp_path, "false")[0].cameras["garden"].record.timelapse is None


def test_times_of_day_are_what_was_typed_with_and_without_quotes(tmp_path: Path) -> None:
    lapse = of(loaded(tmp_path, '{at: [12:30, "18:00", 0 6-9 * * mon-fri], daily: 12:30}')[0])
    assert list(map(str, lapse.at)) == ["12:30", "18:00", "0 6-9 * * mon-fri"]
    assert lapse.every is None
    assert lapse.daily == (12, 30)
    assert list(map(str, of(loaded(tmp_path, "{at: 12:30}")[0]).at)) == ["12:30"]
    assert list(map(str, of(loaded(tmp_path, '{at: "*/5 * * * *"}')[0]).at)) == ["*/5 * * * *"]


@pytest.mark.parametrize("typed", ["null", "false", "off"])
def test_films_can_be_left_out(tmp_path: Path, typed: str) -> None:
    assert of(loaded(tmp_path, f"{{daily: {typed}}}")[0]).daily is None


@pytest.mark.parametrize(
    ("typed", "complaint"),
    [
        ("{every: 5m, at: 12:00}", "timelapse: every and at exclude each other"),
        ("{every: null}", "timelapse: needs every or at"),
        ("{every: 2d}", "timelapse.every: must be at most 24h"),
        ("{every: 500ms}", "timelapse.every: must be at least 1s"),
        ("{at: [12:00, 25:00]}", "timelapse.at[1]: must be a time of day such as 07:30, from 00:00 to 23:59"),
        ("{at: 0 12 * *}", "timelapse.at[0]: must be a time of day such as"),
        ("{at: 0 12 * * funday}", "timelapse.at[0]: the day of the week must be 0 to 7, such as mon-fri"),
        ("{daily: midnight}", "timelapse.daily: must be a time of day such as 07:30"),
        ("{daily: 0 5 * * *}", "timelapse.daily: must be a time of day such as 07:30"),
        ("{fps: 0}", "timelapse.fps: must be at least 1"),
        ("{prefix: /lapse/}", "timelapse.prefix: must be the beginning of an object's key"),
        ("{prefix: a/../b}", "timelapse.prefix: must be the beginning of an object's key"),
        ("{prefix: a//b}", "timelapse.prefix: must be the beginning of an object's key"),
        ('{prefix: "a\\nb"}', "timelapse.prefix: must be the beginning of an object's key"),
    ],
)
def test_what_cannot_be_is_said_with_its_place(tmp_path: Path, typed: str, complaint: str) -> None:
    with pytest.raises(ConfigErrors, match=r"config.yaml:2:\d+: cameras.garden.record.timelapse") as caught:
        loaded(tmp_path, typed)
    assert complaint in str(caught.value)


def test_what_works_and_is_hardly_meant_is_a_warning(tmp_path: Path) -> None:
    assert loaded(tmp_path, "{keep: 1d}")[1] == [
        "keep: is so short that a day's first stills are gone before its film is made"
    ]
    assert loaded(tmp_path, "{keep: 1h, daily: null}")[1] == []
    assert loaded(tmp_path, "{keep: 36h, daily: 11:59}")[1] == []
    store = "offload: {store: {type: folder, path: /mnt}, kinds: [event]}"
    assert "prefix: has no effect" in loaded(tmp_path, "{prefix: lapse/}", store)[1][0]
    assert loaded(tmp_path, "{prefix: lapse/}", store.replace("event", "timelapse"))[1] == []


def test_a_timelapse_may_have_its_own_beginning_of_object_keys(tmp_path: Path) -> None:
    store = "offload: {store: {type: folder, path: /mnt, prefix: cams/}, kinds: [event, timelapse]}"
    config, _ = loaded(tmp_path, "{prefix: lapse/}", store)
    assert config.key_prefix("garden", "timelapse") == "cams/lapse/"
    assert config.key_prefix("garden", "event") == "cams/"
    assert config.key_prefix("gone", "timelapse") == "cams/"
    assert loaded(tmp_path, "true", store)[0].key_prefix("garden", "timelapse") == "cams/"
    assert loaded(tmp_path, "{prefix: lapse/}")[0].key_prefix("garden", "event") == ""
