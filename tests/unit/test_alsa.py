"""Which devices are tried, and what a person reads when none can be opened."""

from pathlib import Path

import pytest

from edgecam.sources import alsa
from edgecam.sources.alsa import Device

CARDS = """\
 0 [PCH            ]: HDA-Intel - HDA Intel PCH
                      HDA Intel PCH at 0xa1340000 irq 145
 1 [U0x46d0x825    ]: USB-Audio - USB Device 0x46d:0x825
                      USB Device 0x46d:0x825 at usb-0000:00:14.0-1, high speed
 2 [Loopback       ]: Loopback - Loopback USB mic
                      Loopback 1
 3 [Device         ]: USB-Audio - USB Speaker
                      a loudspeaker
 4 [seeed2micvoicec]: bcm2835-i2s - seeed-2mic-voicecard
                      seeed-2mic-voicecard
"""
PCM = """\
00-00: ALC257 Analog : ALC257 Analog : playback 1 : capture 1
01-00: USB Audio : USB Audio : capture 1
02-00: Loopback PCM : Loopback PCM : playback 8 : capture 8
03-00: USB Audio : USB Audio : playback 1
04-02: voicecard : voicecard : playback 1 : capture 1
"""
STREAM = """\
USB Device 0x46d:0x825 at usb-0000:00:14.0-1, high speed : USB Audio

Capture:
  Status: Stop
  Interface 3
    Altset 1
    Format: S16_LE
    Channels: 1
    Endpoint: 6 IN (ASYNC)
"""


def test_auto_is_the_default_then_what_is_called_usb_or_microphone_and_never_an_output(tmp_path: Path) -> None:
    (tmp_path / "cards").write_text(CARDS)
    (tmp_path / "pcm").write_text(PCM)
    (tmp_path / "card1").mkdir()
    (tmp_path / "card1" / "stream0").write_text(STREAM)
    assert alsa.devices("auto", tmp_path) == [
        Device("default"),
        Device("plughw:CARD=U0x46d0x825,DEV=0", (1,)),
        Device("plughw:CARD=seeed2micvoicec,DEV=2", (2, 1)),
    ]


def test_a_device_that_is_named_is_the_only_one_that_is_tried(tmp_path: Path) -> None:
    assert alsa.devices("plughw:2,0", tmp_path) == [Device("plughw:2,0")]
    assert alsa.devices("auto", tmp_path / "nothing") == [Device("default")]


@pytest.mark.parametrize(("wanted", "channels"), [("auto", (2, 1)), ("1", (1,)), ("2", (2,))])
def test_channels_are_as_configured(wanted: str, channels: tuple[int, ...]) -> None:
    assert Device("x").with_channels(wanted).channels == channels


def test_the_librarys_files_are_found_where_the_system_has_them(tmp_path: Path) -> None:
    for path in ("usr/share/alsa/alsa.conf", "usr/lib/alsa-lib/x.so"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    environ = {"ALSA_CONFIG_DIR": "/mine"}
    alsa.prepare(environ, tmp_path)
    assert environ == {
        "ALSA_CONFIG_PATH": str(tmp_path / "usr/share/alsa/alsa.conf"),
        "ALSA_CONFIG_DIR": "/mine",
        "ALSA_PLUGIN_DIR": str(tmp_path / "usr/lib/alsa-lib"),
    }


def test_a_system_without_alsa_is_left_as_it_is(tmp_path: Path) -> None:
    environ: dict[str, str] = {}
    alsa.prepare(environ, tmp_path)
    assert environ == {}


@pytest.mark.parametrize(
    ("device", "said", "why"),
    [
        ("hw:1", [(16, "open '%s' failed (%i)")], "hw:1 is in use by another program"),
        ("hw:1", [(-13, "open '%s' failed (%i)")], "add the user to the group audio"),
        ("hw:9", [(0, "Cannot get card index for %s")], r"hw:9 cannot be opened \(Input/output error\)"),
        ("default", [(0, "cannot find card '%s'")], "no microphone: ALSA has no default device"),
        ("pulse", [(0, "Unknown PCM %s")], "no device pulse: install libasound2-plugins"),
        ("pulse", [(2, "Cannot open shared library %s (%s)")], "no device pulse: install libasound2-plugins"),
        ("pipewire", [(0, "Unknown PCM %s")], "no device pipewire: install pipewire-alsa"),
        ("pulse", [], "pulse is missing.: it ends when the user logs out, unless `loginctl enable-linger`"),
        ("default", [(0, "PulseAudio: Unable to connect: %s")], "loginctl enable-linger"),
        ("pipewire", [], "pipewire-0 is missing.*loginctl enable-linger"),
    ],
)
def test_why_a_device_cannot_be_opened_is_one_line_that_says_what_to_do(
    device: str, said: list[tuple[int, str]], why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alsa, "_said", said)
    found = alsa.reason(device, OSError(5, "Input/output error"), {"XDG_RUNTIME_DIR": str(tmp_path)})
    assert "\n" not in found
    with pytest.raises(AssertionError, match=why):
        raise AssertionError(found)


def test_a_sound_server_that_runs_and_refuses_is_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alsa, "_said", [])
    (tmp_path / "pulse").mkdir()
    found = alsa.reason("pulse", OSError(5, "Input/output error"), {"XDG_RUNTIME_DIR": str(tmp_path)})
    assert "does not answer" in found
