"""Units: what people write for times, sizes, rates and pictures, and that it is written back the same."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecam.config import units
from edgecam.config.units import Address, Size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("10s", 10),
        ("5m", 300),
        ("1h", 3600),
        ("14d", 1_209_600),
        ("1.5h", 5400),
        (" 10 s ", 10),
        ("0", 0),
        ("forever", math.inf),
    ],
)
def test_a_duration_is_read_as_seconds(text: str, seconds: float) -> None:
    assert units.duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "10", "s", "-5s", "12:30", "1h30m", "10 sec", "1M", "1e999s", "nan", "inf", "0x1s"]
)
def test_what_is_no_duration_says_how_to_write_one(text: str) -> None:
    with pytest.raises(ValueError, match="500ms, 10s, 5m, 1h, 14d or forever"):
        units.duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.25, "250ms"),
        (1.5, "1.5s"),
        (60, "60s"),
        (120, "2m"),
        (3600, "1h"),
        (86400, "24h"),
        (1_209_600, "14d"),
        (math.inf, "forever"),
        (90, "90s"),
    ],
)
def test_a_duration_is_written_as_people_write_it(seconds: float, text: str) -> None:
    assert units.duration_text(seconds) == text


@given(st.floats(min_value=0, max_value=1e12) | st.just(math.inf) | st.integers(0, 10**9).map(lambda n: n / 1000))
def test_every_duration_survives_being_written(seconds: float) -> None:
    assert units.duration(units.duration_text(seconds)) == seconds


@pytest.mark.parametrize(
    ("text", "count"),
    [("500kB", 500_000), ("8GB", 8_000_000_000), ("16MiB", 16_777_216), ("1.5 MB", 1_500_000), ("0", 0), ("12B", 12)],
)
def test_a_size_is_read_as_bytes(text: str, count: int) -> None:
    assert units.size(text) == units.size(text.lower()) == count


@pytest.mark.parametrize("text", ["", "500", "8 gigs", "8Gbit", "-1MB", "1MB/s", "forever"])
def test_what_is_no_size_says_how_to_write_one(text: str) -> None:
    with pytest.raises(ValueError, match="500kB, 8GB or 16MiB"):
        units.size(text)


@given(st.integers(0, 2**53))
def test_every_size_survives_being_written(count: int) -> None:
    assert units.size(units.size_text(count)) == count


@pytest.mark.parametrize(
    ("text", "bits"),
    [("2Mbit/s", 2_000_000), ("64kbit/s", 64_000), ("500kB/s", 4_000_000), ("1MiB/s", 8_388_608), ("9bit/s", 9)],
)
def test_a_rate_is_read_in_bits_or_bytes(text: str, bits: int) -> None:
    assert units.bitrate(text) == bits
    assert units.rate(text) == bits / 8


@pytest.mark.parametrize("text", ["2Mbit", "2Mb/s", "2Mbps", "2", "2s/s", "fast", "2/s"])
def test_a_rate_that_could_mean_two_things_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="500kB/s or 2Mbit/s"):
        units.bitrate(text)


@given(st.integers(0, 2**50))
def test_every_rate_survives_being_written(count: int) -> None:
    assert units.bitrate(units.bitrate_text(count)) == count
    assert units.rate(units.rate_text(count)) == count
    assert units.rate(units.rate_text(count / 8)) == count / 8


def test_a_percentage_needs_its_sign() -> None:
    assert units.percent("0.3%") == 0.3
    assert units.percent_text(0.3) == "0.3%"
    assert units.percent_text(5.0) == "5%"
    with pytest.raises(ValueError, match=r"0\.3%"):
        units.percent("0.3")


@given(st.floats(0, 100))
def test_every_percentage_survives_being_written(share: float) -> None:
    assert units.percent(units.percent_text(share)) == share


def test_a_picture_has_two_even_sides() -> None:
    assert units.resolution("1280x720") == Size(1280, 720)
    assert str(Size(640, 480)) == "640x480"


@pytest.mark.parametrize("text", ["1280", "1280*720", "1280x", "1281x720", "2x2", "640x481", "-640x480"])
def test_a_picture_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="1280x720"):
        units.resolution(text)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8000", Address("127.0.0.1", 8000)),
        ("[::1]:80", Address("::1", 80)),
        ("localhost:0", Address("localhost", 0)),
    ],
)
def test_an_address_has_a_host_and_a_port(text: str, address: Address) -> None:
    assert units.address(text) == address
    assert str(address) == text


@pytest.mark.parametrize("text", ["8000", ":8000", "::1:8000", "localhost", "a:70000", "http://a:80", "a b:80"])
def test_an_address_that_cannot_be_listened_on_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"127\.0\.0\.1:8000"):
        units.address(text)


@pytest.mark.parametrize(
    "read", [units.duration, units.size, units.bitrate, units.rate, units.percent, units.resolution, units.address]
)
@given(text=st.text(max_size=30))
def test_nonsense_is_refused_and_never_quoted(read: object, text: str) -> None:
    assert callable(read)
    said = ""
    try:
        read("canary" + text)
    except ValueError as error:
        said = str(error)
    assert said or read is units.address
    assert "canary" not in said


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_this_machine_is_loopback(host: str) -> None:
    assert units.is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.2", "::", "garden-pi", ""])
def test_what_others_may_reach_is_not_loopback(host: str) -> None:
    assert not units.is_loopback(host)
