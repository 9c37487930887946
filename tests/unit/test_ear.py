"""From a device to AAC, through ALSA's own library: its `file` device hears what the test writes into a pipe."""

import fcntl
import itertools
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from edgecam.config import model
from edgecam.frame import Sound
from edgecam.sources import Broken, alsa
from edgecam.sources.ear import Coder, Ear
from fakes import FakeClock

RATE = 48000


def tone(seconds: float, channels: int = 1, rate: int = RATE) -> bytes:
    wave = (8000 * np.sin(2 * np.pi * 1000 * np.arange(round(seconds * rate)) / rate)).astype("<i2")
    return np.repeat(wave, channels).tobytes()


def heard(sounds: Sequence[Sound]) -> NDArray[np.float32]:
    """The loudest of each millisecond, from the time of the first packet on."""
    decoder = av.CodecContext.create("aac", "r")
    assert isinstance(decoder, av.AudioCodecContext)
    decoder.extradata = sounds[0].extradata
    frames = [frame for sound in sounds for frame in decoder.decode(av.Packet(sound.data))]
    wave = np.concatenate([np.abs(frame.to_ndarray()).max(axis=0) for frame in frames])
    step = sounds[0].rate // 1000
    loudest: NDArray[np.float32] = wave[: len(wave) // step * step].reshape(-1, step).max(axis=1)
    return loudest


class Pipe:
    """What a microphone would hear, at the pace of the test's clock: time passes as sound is written."""

    def __init__(self, path: Path, clock: FakeClock, channels: int = 1, tick: float = 0.01) -> None:
        """`tick`: seconds that pass with 480 samples."""
        self.path, self._clock, self._channels, self._tick = path, clock, channels, tick
        self._stop = threading.Event()
        os.mkfifo(path)
        self._end = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        fcntl.fcntl(self._end, fcntl.F_SETPIPE_SZ, 4096)

    @contextmanager
    def playing(self, samples: bytes) -> Iterator[None]:
        thread = threading.Thread(target=self._write, args=[samples])
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join(20)

    def _write(self, samples: bytes) -> None:
        size = 960 * self._channels
        with os.fdopen(self._end, "wb", buffering=0) as file:
            for at in range(0, len(samples), size):
                self._clock.tick(self._tick)
                while file.write(samples[at : at + size]) is None:  # full
                    if self._stop.wait(0.001):
                        return


@pytest.fixture
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """ALSA, untouched by the system's own files, with a device `card` that records what is in a pipe."""
    config = tmp_path / "asound.conf"
    config.write_text(
        f'pcm.card {{ type file slave.pcm null file /dev/null infile "{tmp_path}/pipe" format raw }}\n'
        "pcm.null { type null }\n"
        "pcm.mono { type multi slaves.a { pcm null channels 1 } bindings.0 { slave a channel 0 } }\n"
        "pcm.default { type plug slave.pcm card }\n"
    )
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(config))
    return tmp_path / "pipe"


def listen(device: alsa.Device, clock: FakeClock, count: int, **audio: object) -> list[Sound]:
    ear = Ear("cam", device, model.Audio.model_validate(audio), clock)
    try:
        ear.open()
        return [sound for sound in itertools.islice(iter(ear.read, None), count) if sound]
    finally:
        ear.close()


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("name", ["card", "default"])
def test_what_a_card_hears_arrives_as_aac_with_its_time(name: str, channels: int, card: Path) -> None:
    clock = FakeClock(monotonic=1000.0)
    with Pipe(card, clock, channels).playing(tone(3.0, channels)):
        sounds = listen(alsa.Device(name), clock, 94, channels=str(channels), delay="250ms")
    assert {(sound.camera, sound.rate, sound.channels) for sound in sounds} == {("cam", RATE, channels)}
    assert sounds[0].mono == pytest.approx(1000.25, abs=0.1)
    steps = np.diff([sound.mono for sound in sounds])
    assert steps == pytest.approx(1024 / RATE, abs=0.05)  # the pipe holds so much more or less at the start
    assert sounds[-1].mono - sounds[0].mono == pytest.approx(93 * 1024 / RATE, abs=0.05)
    assert heard(sounds)[100:-100].min() > 0.1  # no hole in the tone


def test_sound_is_coded_as_configured(card: Path) -> None:
    clock = FakeClock(monotonic=1000.0)
    with Pipe(card, clock).playing(tone(2.0)):
        sounds = listen(alsa.Device("card", (1,)), clock, 20, rate=16000, bitrate="500kbit/s")
    assert {(sound.rate, sound.channels, sound.duration) for sound in sounds} == {(16000, 1, 0.064)}


@pytest.mark.usefixtures("card")
def test_a_card_with_one_channel_only_is_asked_again() -> None:
    ear = Ear("cam", alsa.Device("mono"), model.Audio(), FakeClock())
    ear.open()
    found = ear.read()
    ear.close()
    assert found is not None
    assert found.channels == 1
    with pytest.raises(Broken, match="mono cannot be opened"):
        listen(alsa.Device("mono"), FakeClock(), 1, channels="2")


def test_a_device_that_is_not_there_is_said_in_words() -> None:
    with pytest.raises(Broken, match="microphone hw:CARD=nobody cannot be opened"):
        listen(alsa.Device("hw:CARD=nobody"), FakeClock(), 1)


@pytest.mark.usefixtures("card")
def test_a_device_that_hears_nothing_is_no_microphone() -> None:
    with pytest.raises(Broken, match="null gives sound faster than time passes"):
        listen(alsa.Device("null"), FakeClock(), 10**6)


def test_unplugging_ends_the_life_in_words(tmp_path: Path) -> None:
    """The same reader on raw samples: ALSA's `file` device goes on for ever where a card would be gone."""
    clock = FakeClock(monotonic=1000.0)
    pipe = Pipe(tmp_path / "pipe", clock)
    ear = Ear("cam", alsa.Device(str(pipe.path), (1,), "s16le"), model.Audio(), clock)
    with pipe.playing(tone(1.0)):
        ear.open()
        sounds: list[Sound] = []
        with pytest.raises(Broken, match="is gone"):
            sounds.extend(sound for sound in iter(ear.read, None) if sound)
        ear.close()
    assert sum(sound.duration for sound in sounds) == pytest.approx(1.0, abs=0.1)


def test_a_card_that_is_a_little_fast_is_heard_for_hours(tmp_path: Path) -> None:
    """By 5 %: it is ahead by as much in three minutes as one that is a thousandth fast in two hours and a half."""
    clock = FakeClock(monotonic=1000.0)
    pipe = Pipe(tmp_path / "pipe", clock, tick=0.06 * 0.95)
    ear = Ear("cam", alsa.Device(str(pipe.path), (1,), "s16le"), model.Audio(rate=8000), clock)
    with pipe.playing(tone(180.0, rate=8000)):
        ear.open()
        with pytest.raises(Broken, match="is gone"):
            list(iter(ear.read, None))
        ear.close()


# -- the coder --------------------------------------------------------------------------------------------------------


def coded(blocks: Sequence[tuple[float, bytes]], **audio: object) -> list[Sound]:
    coder = Coder("cam", model.Audio.model_validate(audio), RATE, 1)
    return [sound for mono, samples in blocks for sound in coder.take(mono, samples)]


@pytest.mark.parametrize("drift", [0.01, -0.01, 0.0])
def test_a_card_that_runs_fast_or_slow_stays_in_step(drift: float) -> None:
    """A hundred times worse than real ones, for a minute: as much as in an hour and a half."""
    step = 1024 / RATE * (1 + drift)
    count = round(60 / step)
    sounds = coded([(1000 + n * step, tone(1024 / RATE)) for n in range(count)])
    for number in (count // 3, count // 2, -1):
        sound = sounds[number]
        truth = 1000 + (sounds.index(sound) * 1024 / RATE if drift == 0 else sound.mono - 1000)
        assert sound.mono == pytest.approx(truth, abs=0.03)
    assert sounds[-1].mono + sounds[-1].duration == pytest.approx(1060, abs=0.1)
    assert sum(sound.duration for sound in sounds) == pytest.approx(60, abs=0.1)


def test_a_gap_becomes_silence_of_its_length() -> None:
    blocks = [(1000 + n * 1024 / RATE, tone(1024 / RATE)) for n in range(47)]
    blocks += [(1002.5 + n * 1024 / RATE, tone(1024 / RATE)) for n in range(47)]
    sounds = coded(blocks)
    assert np.diff([sound.mono for sound in sounds]) == pytest.approx(1024 / RATE, abs=0.002)
    loud = heard(sounds) > 0.1
    begin = sounds[0].mono - 1000
    silent = np.flatnonzero(~loud[50:]) + 50
    assert silent[0] / 1000 + begin == pytest.approx(1.003, abs=0.03)
    assert silent[-1] / 1000 + begin == pytest.approx(2.5, abs=0.03)
