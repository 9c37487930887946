"""ALSA: which devices may be microphones, where its library finds its files, and why a device cannot be opened.

Reads small files of the system; loads nothing heavy.
"""

import contextlib
import ctypes
import os
import re
import sysconfig
import threading
from collections import deque
from collections.abc import MutableMapping
from dataclasses import dataclass
from pathlib import Path

DEFAULT = "default"
_MICROPHONE = re.compile(r"usb|mic|webcam", re.IGNORECASE)
_OF_AN_OUTPUT = re.compile(r"monitor|loopback", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Device:
    """Something to record from."""

    name: str
    """As ALSA calls it."""
    channels: tuple[int, ...] = (2, 1)
    """How many to ask for, the best first."""
    format: str = "alsa"
    """PyAV's name of the input format."""

    def with_channels(self, wanted: str) -> "Device":
        """The same, asked for what the configuration wants (`auto` leaves it)."""
        return self if wanted == "auto" else Device(self.name, (int(wanted),), self.format)


def devices(wanted: str, proc: Path = Path("/proc/asound")) -> list[Device]:
    """What to try, in this order. `auto` is ALSA's default, then capture devices whose name says USB or microphone."""
    if wanted != "auto":
        return [Device(wanted)]
    return [Device(DEFAULT), *_microphones(proc)]


def _microphones(proc: Path) -> list[Device]:
    """proc(5) asound: `cards` has ` 1 [U0x46d0x825 ]: USB-Audio - …`, `pcm` has `01-00: name : name : capture 1`."""
    cards: dict[int, tuple[str, str]] = {}
    for number, id, name in re.findall(r"^\s*(\d+) \[(\S+)\s*\]: (.*)$", _text(proc / "cards"), re.MULTILINE):
        cards[int(number)] = id, name
    found = []
    for card, pcm, rest in re.findall(r"^(\d+)-(\d+): (.*)$", _text(proc / "pcm"), re.MULTILINE):
        id, name = cards.get(int(card), (card.lstrip("0") or "0", ""))
        words = f"{name} {rest}"
        if "capture" in rest and _MICROPHONE.search(words) and not _OF_AN_OUTPUT.search(words):
            # A USB device that has one channel only is asked for that one; plughw converts what else there is.
            told = re.findall(r"Channels: (\d+)", _text(proc / f"card{int(card)}" / "stream0").partition("Capture:")[2])
            mono = bool(told) and set(told) == {"1"}
            found.append(Device(f"plughw:CARD={id},DEV={int(pcm)}", (1,) if mono else (2, 1)))
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def prepare(environ: MutableMapping[str, str], root: Path = Path("/")) -> None:
    """Tell ALSA's library where the system keeps its files: one that came with PyAV looks where it was built.

    What is set already stays. Before the first device is opened, on the main thread.
    """
    share = root / "usr/share/alsa"
    if (share / "alsa.conf").is_file():
        environ.setdefault("ALSA_CONFIG_PATH", str(share / "alsa.conf"))
        environ.setdefault("ALSA_CONFIG_DIR", str(share))
    for folder in (f"usr/lib/{sysconfig.get_config_var('MULTIARCH')}", "usr/lib64", "usr/lib"):
        if (root / folder / "alsa-lib").is_dir():
            environ.setdefault("ALSA_PLUGIN_DIR", str(root / folder / "alsa-lib"))


# -- what the library says --------------------------------------------------------------------------------------------

_said: deque[tuple[int, str]] = deque(maxlen=32)
"""What ALSA's library complained of lately: errno (0 where it has none) and the text, its values not filled in."""
_listening: set[str] = set()
_lock = threading.Lock()
_Handler = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p)


def _note(file: bytes, line: int, function: bytes, error: int, text: bytes) -> None:
    _said.append((error, (text or b"").decode(errors="replace")))


_noting = _Handler(_note)
"""Lives as long as the library may call it."""


def listen() -> None:
    """From now on what ALSA's library complains of goes to `reason` and not to stderr, in many lines for each try.

    Any thread, once PyAV is loaded. A library that cannot be asked goes on as it does.
    """
    paths = set(re.findall(r"\S*/libasound[-.]\S*", _text(Path("/proc/self/maps"))))
    with _lock:
        for path in paths - _listening:
            _listening.add(path)
            with contextlib.suppress(OSError, AttributeError):
                ctypes.CDLL(path).snd_lib_error_set_handler(_noting)
        _said.clear()


def reason(device: str, error: OSError, environ: MutableMapping[str, str]) -> str:
    """Why a device cannot be opened, and what to do, in one line."""
    said = list(_said)
    if server := next((name for name in ("pulse", "pipewire") if device.startswith(name)), None):
        return _server(server, said, environ)
    numbers = {abs(number) for number, _ in said} | {error.errno}
    if 16 in numbers:  # EBUSY
        return f"the microphone {device} is in use by another program"
    if 13 in numbers:  # EACCES
        return f"the microphone {device} may not be opened: add the user to the group audio"
    if any("PulseAudio" in text for _, text in said):
        return _server("pulse", said, environ)
    if device == DEFAULT:
        return "there is no microphone: ALSA has no default device, and no USB one is plugged in"
    return f"the microphone {device} cannot be opened ({error.strerror}); `arecord -L` lists what there is"


def _server(name: str, said: list[tuple[int, str]], environ: MutableMapping[str, str]) -> str:
    """Sound servers are reached through a plug-in, and belong to a user who is logged in."""
    package = {"pulse": "libasound2-plugins", "pipewire": "pipewire-alsa"}[name]
    if any("shared library" in text or "Unknown PCM" in text for _, text in said):
        return f"ALSA has no device {name}: install {package}"
    runtime = environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    socket = Path(runtime, {"pulse": "pulse", "pipewire": "pipewire-0"}[name])
    if not socket.exists():
        return (
            f"the sound server of this user does not run ({socket} is missing): it ends when the user logs out, "
            "unless `loginctl enable-linger` was run for the user"
        )
    return f"the sound server behind {name} does not answer; set audio.device to a device that `arecord -L` lists"
