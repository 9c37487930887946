"""`edgecam test storage`: one small object there and back, as the daemon would send it, and what the key may do.

Putting is all that the daemon needs. What a key is not allowed besides is told with what it means, and is no failure.
"""

import asyncio
import io
import json
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from edgecam import aside, log
from edgecam.clock import Clock, SystemClock
from edgecam.config.model import Config
from edgecam.config.secret import secrets_in
from edgecam.config.store import StoreConfig
from edgecam.media import token
from edgecam.offload.expiry import lasts
from edgecam.offload.pipe import scrubbed
from edgecam.offload.probe import IN_BETWEEN, ask, lost, small
from edgecam.offload.sealing import age
from edgecam.offload.stores import Permanent, Store, StoreError, Transient, open_store

T = TypeVar("T")

PATIENCE = 60.0
"""Seconds that one step may take."""

REFUSED = {
    "making": "make it where the store is administered, unless it is there already",
    "asking": "the daemon trusts the store's answer to each upload, and may send once more what is there already",
    "getting": "`edgecam fetch` and links need a key that may read",
    "deleting": "good for a camera: who steals this key deletes nothing. {key} stays there",
}
"""What it means when a key may not do it."""


@dataclass(slots=True)
class Step:
    """One thing that was tried, and worked unless it was `refused`."""

    name: str
    seconds: float
    refused: str | None = None
    """What the store said when the key is not allowed to do that, which the daemon can live with."""


@dataclass(slots=True)
class Report:
    """How it went. `failed` is the step that did not work, None when all is well."""

    store: str
    key: str
    """Of the object that was put."""
    steps: list[Step] = field(default_factory=list)
    failed: str | None = None
    problem: str | None = None
    hint: str | None = None
    soon: str | None = None
    """What will be wrong with it before long."""


def main(config: Config, environ: Mapping[str, str], *, create: bool, as_json: bool) -> int:
    """Returns the exit code: 0 when media can be stored, 1 when not, 2 without a store."""
    if config.offload is None:
        sys.stderr.write("edgecam test storage: there is no `offload` section: nothing leaves this box\n")
        return 2
    log.setup(config.log.level, "text", tuple(config.secrets()), config.log.modules, environ=environ)
    report = asyncio.run(
        trial(config.offload.store, SystemClock(), create=create, recipients=config.offload.encrypt or ())
    )
    sys.stdout.write(json.dumps(asdict(report), indent=2) if as_json else "\n".join(told(report)))
    sys.stdout.write("\n")
    return 1 if report.failed else 0


async def trial(
    config: StoreConfig,
    clock: Clock,
    *,
    create: bool = False,
    recipients: Sequence[str] = (),
    opener: Callable[[StoreConfig], Store] = open_store,
) -> Report:
    """One round trip; no secret is in the report. Raises nothing. Takes PATIENCE for each step at most.

    `recipients`: whom media is sealed for, which is tried as well.
    """
    secrets = [text for text in secrets_in(config) if text]
    report = Report(config.type, f"{config.prefix}_edgecam/probe-{token()}")
    round_trip = _RoundTrip(report, clock, secrets)
    try:
        await round_trip.go(partial(opener, config), create=create, recipients=recipients)
    except StoreError as error:
        report.problem, report.hint = scrubbed(str(error), secrets), error.hint
    except Exception as error:  # whatever a store's library raises is what is asked for here
        report.problem = scrubbed(f"unexpected {type(error).__name__}: {error}", secrets)
    else:
        report.failed, report.soon = None, lasts(config).warning(clock.wall())
    return report


class _RoundTrip:
    """Fills the report; `report.failed` is the step that is being tried."""

    def __init__(self, report: Report, clock: Clock, secrets: Iterable[str]) -> None:
        self._report, self._clock, self._secrets = report, clock, secrets
        self._upload = small(report.key)

    async def go(self, opener: Callable[[], Store], *, create: bool, recipients: Sequence[str]) -> None:
        """Raises StoreError for what keeps media from being stored."""
        report, key = self._report, self._report.key
        store = await self._step("opening", opener)
        report.store = store.describe()
        if recipients:
            await self._step("sealing", partial(self._seal, recipients))
        if create:
            await self._allowed("making", store.make)
        await self._step("putting", partial(store.put, self._upload, lambda _: None))
        await self._allowed("asking", partial(ask, store, self._upload))
        await self._allowed("getting", partial(self._get, store))
        await self._allowed("deleting", partial(store.delete, key))

    async def _step(self, name: str, work: Callable[[], T]) -> T:
        self._report.failed, began = name, self._clock.monotonic()
        try:
            result = await aside.within(self._clock, PATIENCE, aside.run(work))
        except TimeoutError:
            raise Transient(f"no answer within {PATIENCE:.0f} s", "does a firewall swallow what is sent?") from None
        self._report.steps.append(Step(name, round(self._clock.monotonic() - began, 3)))
        return result

    async def _allowed(self, name: str, work: Callable[[], None]) -> None:
        """A step that the daemon can do without, when the store says that this key may not."""
        began = self._clock.monotonic()
        try:
            await self._step(name, work)
        except Permanent as error:
            seconds = round(self._clock.monotonic() - began, 3)
            self._report.steps.append(Step(name, seconds, scrubbed(str(error), self._secrets)))

    def _seal(self, recipients: Sequence[str]) -> None:
        assert isinstance(self._upload.body, bytes)
        age.encrypt(io.BytesIO(self._upload.body), io.BytesIO(), recipients, lambda: None)

    def _get(self, store: Store) -> None:
        with tempfile.TemporaryDirectory(prefix="edgecam-") as folder:
            file = Path(folder) / "probe"
            if store.get(self._report.key, file) is None:
                raise lost()
            if file.read_bytes() != self._upload.body:
                raise Transient("what came back is not what was put", IN_BETWEEN)


def told(report: Report) -> Iterator[str]:
    """The report for people."""
    yield report.store
    for step in report.steps:
        how = f"not allowed: {step.refused}" if step.refused else f"ok, {step.seconds:.2f} s"
        if step.name in _WORDS:
            yield f"  {_WORDS[step.name] + ':':<9}{how}"
        if step.refused:
            yield f"           {REFUSED[step.name].format(key=report.key)}"
    if report.failed is None:
        yield f"ok; but {report.soon}" if report.soon else "ok"
        return
    yield f"FAILED at {report.failed}: {report.problem}"
    if report.hint:
        yield f"  {report.hint}"


_WORDS = {
    "sealing": "seal",
    "making": "make",
    "putting": "put",
    "asking": "head",
    "getting": "get",
    "deleting": "delete",
}
