"""What all HTTP cameras have in common: one request that fails in words a person can act on."""

import os
import socket
import ssl
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from edgecam import aside
from edgecam.clock import Clock
from edgecam.config.model import MjpegSource, StillSource
from edgecam.login import Login, Unanswerable
from edgecam.sources import Broken

CONNECT = 10.0
"""Seconds to reach a camera at most."""
REDIRECTS = 3
TRIES = 3
"""Requests that one answer may take: without a login, with one, and with one whose nonce is fresh."""
LOCKED_OUT = 60.0
"""Seconds between two logins that fail: cameras lock out who tries more often."""
LONGEST_PAUSE = 60.0
"""Seconds that `Retry-After` may ask for at most."""
SHORT = 1 << 16
"""Bytes of an answer nobody needs that are read, so that the connection can be used again."""
_ACTIONS = {
    401: "refuses the user name or password (401); check the user and password in source.url",
    403: "forbids the access (403); check the rights of the user in source.url",
    404: "has nothing at this address (404); check the path in source.url",
    429: "is asked too often (429); ask for less, or let fewer programs ask",
    503: "is busy (503); many cameras serve one client only: close other programs that use it",
}


def _words(error: OSError) -> str:
    """The system's own: asyncio puts addresses in their place."""
    if error.errno and error.errno > 0:
        return os.strerror(error.errno)
    return error.strerror or str(error)


class WebCamera:
    """One address with its login, for one life; one connection at a time, since many cameras serve no more.

    The configured `stall_timeout` is how many seconds without a byte end a request.
    """

    def __init__(self, config: MjpegSource | StillSource, clock: Clock) -> None:
        address = URL(config.url.reveal())
        self._config, self._clock = config, clock
        self._safe, self._url, self._silence = config.url.safe, address.with_user(None), config.stall_timeout
        self._connect = min(CONNECT, self._silence)
        self._user, self._password = address.user, address.password or ""
        self._logins = defaultdict[URL, Login](lambda: Login(self._user or "", self._password))
        """By origin: what a camera asked for under TLS is not sent in the clear."""
        self._session: aiohttp.ClientSession | None = None

    def describe(self) -> str:
        """The address without login and keys."""
        return self._safe

    @asynccontextmanager
    async def get(self, headers: Mapping[str, str] | None = None) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer with status 200 or 304; its body is still to be read within the context.

        Raises Broken for everything that goes wrong, within the context too.
        """
        if self._session is None:
            self._session = await self._opened()
        try:
            async with await self._follow(self._session, headers or {}) as response:
                yield response
        except aiohttp.ConnectionTimeoutError as error:
            raise Broken(f"cannot reach {self.describe()}: no answer within {self._connect:.1f} s") from error
        except TimeoutError as error:
            raise Broken(f"{self.describe()} is silent for {self._silence:.1f} s") from error
        except aiohttp.ClientConnectorCertificateError as error:
            raise Broken(self._distrust(error.certificate_error)) from error
        except aiohttp.ClientConnectorSSLError as error:
            raise Broken(f"cannot agree on TLS with {self.describe()}; perhaps it wants http://") from error
        except aiohttp.ClientConnectorError as error:
            raise Broken(f"cannot reach {self.describe()}: {_words(error.os_error)}") from error
        except aiohttp.ServerDisconnectedError as error:
            raise Broken(f"{self.describe()} hung up without an answer") from error
        except aiohttp.ClientPayloadError as error:
            raise Broken(f"{self.describe()} hung up in the middle of a picture") from error
        except aiohttp.ClientResponseError as error:
            raise Broken(f"{self.describe()} does not answer in HTTP") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Broken(f"{self.describe()}: {type(error).__name__}") from error

    def no_page(self, head: bytes | bytearray) -> None:
        """Raises Broken when an answer begins as web pages do and pictures do not, whatever type it claims."""
        if head[:64].lstrip().startswith(b"<"):
            raise Broken(f"{self.describe()} gives a web page, not a picture; check the path in source.url")

    async def _opened(self) -> aiohttp.ClientSession:
        limits = aiohttp.ClientTimeout(
            total=None, connect=self._connect, sock_connect=self._connect, sock_read=self._silence
        )
        return aiohttp.ClientSession(
            timeout=limits,
            read_bufsize=1 << 18,
            connector=aiohttp.TCPConnector(ssl=await self._trust(), resolver=_Names()),
            cookie_jar=aiohttp.CookieJar(unsafe=True),  # cameras are known by their IP addresses
            headers={"Accept-Encoding": "identity"},  # a JPEG does not get smaller
        )

    async def _trust(self) -> ssl.SSLContext | bool:
        if self._config.ca is None or not self._config.verify:
            return self._config.verify
        try:
            context = await aside.run(ssl.create_default_context, cafile=self._config.ca)
        except (OSError, ssl.SSLError) as error:
            why = error.strerror if not isinstance(error, ssl.SSLError) else "no certificate in PEM"
            raise Broken(f"source.ca: cannot use {self._config.ca}: {why}") from error
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # a camera's certificate vouches for itself
        return context

    def _distrust(self, error: Exception) -> str:
        why = getattr(error, "verify_message", None) or "certificate refused"
        cure = "set source.ca to a certificate to trust, or source.verify: false"
        return f"{self.describe()} is not trusted: {why.lower().rstrip('.')}; {cure}"

    async def _follow(self, session: aiohttp.ClientSession, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        """Redirects lead to other paths of the same camera, or to its TLS: the login goes nowhere else."""
        url = self._url
        for _ in range(REDIRECTS + 1):
            response = await self._ask(session, url, headers)
            target = response.headers.get("Location")
            if response.status not in (301, 302, 303, 307, 308) or target is None:
                self._judge(response, url)
                return response
            await _let_go(response)
            before, url = url, url.join(URL(target)).with_user(None)
            upgraded = (before.scheme, url.scheme) == ("http", "https") and url.host == before.host
            if url.origin() != before.origin() and not upgraded:
                raise Broken(
                    f"{self.describe()} redirects to {url.origin()}; if you trust it, put that into source.url"
                )
        raise Broken(f"{self.describe()} redirects in a circle")

    async def _ask(
        self, session: aiohttp.ClientSession, url: URL, headers: Mapping[str, str]
    ) -> aiohttp.ClientResponse:
        """The answer to one address, with the login when the camera asks for one."""
        login, tries = self._logins[url.origin()], 0
        while True:
            tries += 1
            answer = login.answer("GET", url.raw_path_qs)
            sent = {**headers, "Authorization": answer} if answer else headers
            response = await session.get(url, headers=sent, allow_redirects=False)
            locked = response.status == 401 or (response.status == 403 and answer is None)
            if not locked or self._user is None:
                login.accepted(response.headers.get("Authentication-Info", ""))
                return response
            try:
                again = login.refused(response.headers.getall("WWW-Authenticate", []))
            except Unanswerable as error:
                response.close()
                raise Broken(f"{self.describe()} wants a login by {error}; set the camera to Digest or Basic") from None
            if not again or tries == TRIES:
                return response
            await _let_go(response)

    def _judge(self, response: aiohttp.ClientResponse, url: URL) -> None:
        status = response.status
        if status in (200, 304):
            return
        response.close()
        if status == 401 and self._user is None:
            raise Broken(f"{self.describe()} wants a login (401); write source.url as {url.scheme}://user:password@…")
        action = _ACTIONS.get(status, f"answers {status} {response.reason or ''}".rstrip())
        pause = LOCKED_OUT if status == 401 else self._pause(response.headers.get("Retry-After", ""))
        raise Broken(f"{self.describe()} {action}", pause=pause)

    def _pause(self, asked: str) -> float:
        """`Retry-After` (RFC 9110, 10.2.3) in seconds from now: a number, or a date."""
        try:
            wait = float(asked) if asked.isdecimal() else parsedate_to_datetime(asked).timestamp() - self._clock.wall()
        except (ValueError, OverflowError):
            return 0.0
        return min(LONGEST_PAUSE, max(0.0, wait))

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


async def _let_go(response: aiohttp.ClientResponse) -> None:
    """Done with an answer: its connection is free for the next request when the rest is short, else closed."""
    if (response.content_length or SHORT + 1) <= SHORT:
        await response.read()
    response.close()


class _Names(AbstractResolver):
    """Host names to addresses, on threads of our own: a name server that hangs delays no exit."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await aside.run(socket.getaddrinfo, host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=port,
                family=kind,
                proto=proto,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, proto, _, address in found
        ]

    async def close(self) -> None:
        """Nothing is held."""
