"""Who asks: Basic and bearer logins against the configured users and tokens, and what each may see."""

import asyncio
import base64
import binascii
import hmac
import logging
import math
import os
from collections import OrderedDict, deque
from concurrent.futures import Executor
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from edgecam.clock import Clock
from edgecam.config.model import Http, Secret
from edgecam.web import password
from edgecam.web.answers import Refused

log = logging.getLogger(__name__)

FAILURES, WINDOW = 5, 60.0
"""So many failed logins in so many seconds close an address's door."""
REMEMBERED = 1000


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who was let in."""

    name: str
    is_admin: bool
    cameras: frozenset[str] | None = None
    """The cameras it may see; None: all, and the box itself."""

    def may_see(self, camera: str) -> bool:
        return self.cameras is None or camera in self.cameras


class Failures:
    """Failed logins of each address, for at most REMEMBERED addresses."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._of: OrderedDict[str, deque[float]] = OrderedDict()

    def add(self, address: str) -> None:
        times = self._of.pop(_network(address), deque(maxlen=FAILURES))
        times.append(self._clock.monotonic())
        self._of[_network(address)] = times
        if len(self._of) > REMEMBERED:
            self._of.popitem(last=False)

    def wait(self, address: str) -> int:
        """Whole seconds until the address may try again; 0: now."""
        times = self._of.get(_network(address))
        if times is None or len(times) < FAILURES:
            return 0
        return max(0, math.ceil(times[0] + WINDOW - self._clock.monotonic()))


def _network(address: str) -> str:
    """One household: an IPv4 address, or the /64 of an IPv6 one."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    return str(int(parsed) >> 64) if isinstance(parsed, IPv6Address) else address


@dataclass(frozen=True, slots=True)
class _Known:
    """A login that succeeded, and the secret it was checked against: a secret that changes ends it."""

    visitor: Visitor
    secret: Secret
    value: str

    @property
    def is_valid(self) -> bool:
        return hmac.compare_digest(self.secret.reveal().encode(), self.value.encode())


class Logins:
    """Checks credentials. A login that succeeded is remembered by a keyed hash, so that scrypt runs once for each."""

    def __init__(self, config: Http, clock: Clock, pool: Executor) -> None:
        self._users, self._tokens = config.users, config.tokens
        self._failures, self._pool = Failures(clock), pool
        self._key = os.urandom(32)
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._checking = asyncio.Lock()
        self._nobody = password.hash_password(os.urandom(9).hex()) if self._hashes() else os.urandom(9).hex()

    @property
    def exist(self) -> bool:
        return bool(self._users or self._tokens)

    async def check(self, header: str | None, token: str | None, address: str) -> Visitor:
        """The visitor of an Authorization header or, without one, of a token from the query.

        Raises Refused: 401 for missing or wrong credentials, 429 after FAILURES wrong ones from one address.
        """
        if header is None and not token:
            raise Refused(401, "login", "this needs a login (see http.users and http.tokens)", challenge=True)
        mark = hmac.digest(self._key, repr((header, token)).encode(), "sha256")
        known = self._known.get(mark)
        if known is not None and known.is_valid:
            return known.visitor
        found = await asyncio.shield(asyncio.ensure_future(self._examine(header, token, address)))
        if isinstance(found, Refused):
            raise found
        known = self._known[mark] = found
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return known.visitor

    async def _examine(self, header: str | None, token: str | None, address: str) -> _Known | Refused:
        """One scrypt at a time, and no crowd that slips past the count; who hangs up is counted all the same."""
        async with self._checking:
            if shut := self._shut(address):
                return shut
            known = await self._find(header, token)
            if known is None:
                self._failures.add(address)
                log.warning("http: failed login from %s", address)
                return Refused(401, "login", "wrong name, password or token", challenge=True)
            return known

    def forged(self, address: str) -> Refused:
        """Count a link from `address` that we did not sign, and what to answer."""
        if shut := self._shut(address):
            return shut
        self._failures.add(address)
        log.warning("http: a link with a wrong signature from %s", address)
        return Refused(403, "bad_link", "this link was changed, or is from before the key of all links was made anew")

    def _shut(self, address: str) -> Refused | None:
        """The answer to all but known logins from an address that failed too often."""
        if wait := self._failures.wait(address):
            return Refused(429, "too_many_logins", "too many failed logins from your address", retry_after=wait)
        return None

    async def _find(self, header: str | None, token: str | None) -> _Known | None:
        if header is None:
            return self._by_token(token or "")
        scheme, _, rest = header.partition(" ")
        if scheme.lower() == "bearer":
            return self._by_token(rest.strip())
        if scheme.lower() != "basic":
            return None
        name, _, secret = _decode(rest.strip()).partition(":")
        return await self._by_name(name, secret) or self._by_token(secret)

    async def _by_name(self, name: str, text: str) -> _Known | None:
        """An unknown name costs as much time as a wrong password."""
        user = self._users.get(name)
        kept = user.password.reveal() if user else self._nobody
        try:
            right = await asyncio.wrap_future(self._pool.submit(password.verify, text, kept))
        except ValueError as error:
            log.error("http.users.%s.password %s", name, error)
            return None
        return _Known(Visitor(name, user.role == "admin"), user.password, kept) if right and user else None

    def _by_token(self, text: str) -> _Known | None:
        """Every token is compared, so that the time says nothing. For Basic a token is a password of any name."""
        found: _Known | None = None
        for name, known in self._tokens.items():
            value = known.token.reveal()
            if hmac.compare_digest(text.encode(errors="surrogateescape"), value.encode()) and value:
                cameras = None if known.cameras is None else frozenset(known.cameras)
                found = _Known(Visitor(name, known.role == "admin", cameras), known.token, value)
        return found

    def _hashes(self) -> bool:
        return any(password.is_hash(user.password.reveal()) for user in self._users.values())


def _decode(text: str) -> str:
    """The name and password of a Basic login (RFC 7617), empty when it is none."""
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return ""
