"""`edgecam test mqtt`: to the broker as the daemon would go, one message there and back, and what we may retain.

It comes under a client id of its own, so a running daemon is not thrown out, and takes away whatever it left.
"""

import asyncio
import json
import socket
import ssl
import sys
from collections.abc import Awaitable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypeVar

from edgecam import aside, discovery, identity, log
from edgecam.clock import Clock, SystemClock
from edgecam.config import model
from edgecam.config.model import Config
from edgecam.identity import Identity
from edgecam.media import token
from edgecam.mqtt.announcing.discovery import messages
from edgecam.mqtt.topics import Topics
from edgecam.mqtt.wire import tls
from edgecam.mqtt.wire.entrance import PATIENT, Entrance
from edgecam.mqtt.wire.link import Ears, Grant, Link, Unreachable, within
from edgecam.mqtt.wire.messages import Incoming, Retained
from edgecam.mqtt.wire.outlet import compact
from edgecam.offload.pipe import scrubbed
from edgecam.supervisor import reason

T = TypeVar("T")

PATIENCE = 10.0
"""Seconds that one step may take."""


class Failed(Exception):
    """A step did not work: why, and the likely cure."""

    def __init__(self, problem: str, hint: str | None = None) -> None:
        super().__init__(problem)
        self.hint = hint


@dataclass(slots=True)
class Step:
    """One thing that was tried, and worked."""

    name: str
    seconds: float


@dataclass(slots=True)
class Report:
    """How it went. `failed` is the step that did not work, None when all is well."""

    broker: str
    node: str
    steps: list[Step] = field(default_factory=list)
    protocol: str | None = None
    largest_packet: int | None = None
    """Bytes; None where the broker does not say."""
    failed: str | None = None
    problem: str | None = None
    hint: str | None = None


def main(config: Config, environ: Mapping[str, str], *, as_json: bool) -> int:
    """Returns the exit code: 0 when the daemon could do all it wants there, 1 when not, 2 without a broker."""
    if config.mqtt is None:
        sys.stderr.write("edgecam test mqtt: there is no `mqtt` section\n")
        return 2
    log.setup(config.log.level, "text", tuple(config.secrets()), config.log.modules, environ=environ)
    try:
        report = asyncio.run(trial(config, config.state_path(environ), SystemClock()))
    except OSError as error:
        sys.stderr.write(f"edgecam test mqtt: {reason(error)}\n")
        return 1
    sys.stdout.write(json.dumps(asdict(report), indent=2) if as_json else "\n".join(told(report)))
    sys.stdout.write("\n")
    return 1 if report.failed else 0


async def trial(config: Config, state: Path, clock: Clock) -> Report:
    """One round trip; no secret is in the report. Takes PATIENCE for each step at most.

    Raises OSError when the state folder is there and cannot be read.
    """
    assert config.mqtt is not None
    known = identity.as_known(config.node, state)
    report = Report(f"{config.mqtt.host}:{config.mqtt.effective_port}", known.node)
    secrets = [text for text in config.secrets() if text]
    try:
        await _RoundTrip(config, config.mqtt, known, state, report, clock).go()
    except Failed as error:
        report.problem, report.hint = scrubbed(str(error), secrets), error.hint
    except (OSError, ValueError) as error:
        report.problem = scrubbed(str(error), secrets)
    else:
        report.failed = None
    return report


class _RoundTrip:
    """Fills the report; `report.failed` is the step that is being tried."""

    def __init__(
        self, config: Config, mqtt: model.Mqtt, known: Identity, state: Path, report: Report, clock: Clock
    ) -> None:
        self._config, self._mqtt, self._state, self._report, self._clock = config, mqtt, state, report, clock
        self._known = known
        self._topics = Topics(f"{mqtt.base_topic}/{report.node}")
        self._token, self._grant = token(), Grant()
        self._heard: asyncio.Queue[Incoming] = asyncio.Queue()
        self._sent: dict[int, asyncio.Future[str | None]] = {}
        self._granted: asyncio.Queue[tuple[str, str | None]] = asyncio.Queue()
        self._left: set[str] = set()

    async def go(self) -> None:
        """Raises Failed, OSError or ValueError with words for people."""
        await self._step("name", aside.run(self._resolve))
        line = await self._step("tcp", aside.run(self._dial))
        with line:
            if self._mqtt.tls is not None:
                await self._step("tls", aside.run(self._wrap, line))
        link = await self._step("login", self._log_in(), PATIENCE + 2 * PATIENT)
        try:
            await self._step("listening", self._listen(link))
            await self._step("sending", self._round_trip(link))
            await self._step("keeping", self._keep(link, f"{self._topics.base}/test-{self._token}-kept"))
            if prefix := self._mqtt.discovery:
                self._fits()
                place = f"{prefix}/device/edgecam_{self._report.node}/test-{self._token}"  # no place for discovery
                await self._step("announcing", self._keep(link, place))
        finally:
            await self._clear(link)
            await link.close(self._clock, 1.0)

    async def _step(self, name: str, work: Awaitable[T], patience: float = PATIENCE) -> T:
        self._report.failed, began = name, self._clock.monotonic()
        try:
            result = await aside.within(self._clock, patience, work)
        except TimeoutError:
            raise Failed(f"no answer within {patience:.0f} s", "does a firewall swallow what is sent?") from None
        self._report.steps.append(Step(name, round(self._clock.monotonic() - began, 3)))
        return result

    # blocking ------------------------------------------------------------------------------------------------------

    def _resolve(self) -> None:
        try:
            socket.getaddrinfo(self._mqtt.host, self._mqtt.effective_port, type=socket.SOCK_STREAM)
        except socket.gaierror:
            raise Failed(f"nobody knows a host {self._mqtt.host}", "check mqtt.host, or name its address") from None

    def _dial(self) -> socket.socket:
        try:
            return socket.create_connection((self._mqtt.host, self._mqtt.effective_port), PATIENCE)
        except OSError as error:
            raise Failed(f"{self._report.broker}: {error.strerror or error}", _reach(error)) from None

    def _wrap(self, line: socket.socket) -> None:
        context = tls.context(self._mqtt.tls)
        assert context is not None
        try:
            context.wrap_socket(line, server_hostname=self._mqtt.host).close()
        except ssl.SSLError as error:
            problem, _, hint = tls.words(error).partition("; ")
            raise Failed(problem, hint or None) from None

    # the loop ------------------------------------------------------------------------------------------------------

    async def _log_in(self) -> Link:
        id = f"{self._mqtt.client_id or f'edgecam-{self._report.node}'}-test-{self._token}"
        entrance = Entrance(self._mqtt, client_id=id, will=None, state=self._state, clock=self._clock)
        ears = Ears(
            lambda _, message: self._heard.put_nowait(message),
            lambda _, number, why: self._answer(number).set_result(why),
            lambda name, why: self._granted.put_nowait((name, why)),
        )
        try:
            link, self._grant = await entrance.open(ears)
        except Unreachable as error:
            problem, _, hint = str(error).partition("; ")
            raise Failed(problem, hint or None) from None
        self._report.protocol, self._report.largest_packet = link.version, self._grant.max_packet
        return link

    def _answer(self, number: int) -> asyncio.Future[str | None]:
        return self._sent.setdefault(number, asyncio.get_running_loop().create_future())

    async def _listen(self, link: Link) -> None:
        """To all that the daemon listens to."""
        filters = [self._topics.health]
        filters += [self._topics.commands] if self._mqtt.commands else []
        filters += [self._mqtt.birth_topic] if self._mqtt.discovery else []
        for name in filters:
            await self._subscribe(link, name)

    async def _subscribe(self, link: Link, name: str) -> None:
        link.subscribe([name], own=True)
        _, why = await self._granted.get()
        if why is not None:
            raise Failed(f"the broker does not let us read {name} ({why})", _allow("read", name))

    async def _round_trip(self, link: Link) -> None:
        topic = f"{self._topics.base}/test-{self._token}"
        await self._subscribe(link, topic)
        await self._publish(link, topic, retain=False)
        await self._hears(topic, retain=False)

    async def _publish(self, link: Link, topic: str, *, retain: bool) -> None:
        number = link.publish(topic, Retained(self._token.encode()), retain=retain, max_qos=self._grant.max_qos)
        if number is None:
            raise Failed(link.ended.result(), "what does its log say?")
        if retain:
            self._left.add(topic)
        answer = self._answer(number)
        await within(self._clock, PATIENCE, answer, link.ended)
        if not answer.done():
            silence = link.ended.result() if link.ended.done() else f"no answer within {PATIENCE:.0f} s"
            raise Failed(f"{silence}, when we wrote to {topic}", _allow("write", topic))
        why = answer.result()
        if why is not None:
            raise Failed(f"the broker does not let us write {topic} ({why})", _allow("write", topic))

    async def _hears(self, topic: str, *, retain: bool) -> None:
        """What we wrote comes back. MQTT 3.1.1 has no other way to say that we may not."""
        while True:
            with suppress(TimeoutError):
                message = await aside.within(self._clock, PATIENCE / 2, self._heard.get())
                if message.topic != topic:
                    continue
                if message.retain is retain:
                    return
                raise Failed(f"what we retained at {topic} was not kept", "does the broker allow retained messages?")
            raise Failed(f"what we wrote to {topic} did not come back", _allow("write and read", topic))

    async def _keep(self, link: Link, topic: str) -> None:
        """Retain something there, read it, clear it."""
        await self._publish(link, topic, retain=True)
        if self._report.protocol == "3.1.1" or topic.startswith(self._topics.base):
            await self._subscribe(link, topic)
            await self._hears(topic, retain=True)

    async def _clear(self, link: Link) -> None:
        numbers = [link.publish(topic, Retained(b"")) for topic in self._left]
        answers = [self._answer(number) for number in numbers if number is not None]
        await within(self._clock, 1.0, asyncio.gather(*answers), link.ended)

    def _fits(self) -> None:
        if self._grant.max_packet is None:
            return
        self._report.failed = "announcing"
        about = discovery.about(self._config, self._known)
        for topic, payload in messages(self._config, about).items():
            if (size := len(topic) + len(compact(payload).encode())) > self._grant.max_packet:
                problem = f"the broker takes packets of {self._grant.max_packet} bytes; {topic} has {size}"
                raise Failed(problem, "raise its limit")


def _reach(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "is the broker running there, and mqtt.port right?"
    return "check mqtt.host and mqtt.port; is the box in the same network, or a firewall in between?"


def _allow(what: str, topic: str) -> str:
    place = topic.rpartition("/")[0] or topic
    return f"allow our user to {what} {place}/# at the broker"


def told(report: Report) -> Iterator[str]:
    """The report for people."""
    yield f"{report.broker} as node {report.node}"
    for step in report.steps:
        version = f", MQTT {report.protocol}" if step.name == "login" else ""
        yield f"  {step.name + ':':<12}ok, {step.seconds:.2f} s{version}"
    if report.largest_packet:
        yield f"  {'limit:':<12}messages of {report.largest_packet} bytes; larger pictures are made smaller"
    yield f"FAILED at {report.failed}: {report.problem}" if report.failed else "ok"
    if report.hint:
        yield f"  {report.hint}"
