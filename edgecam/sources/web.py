"""What all HTTP cameras have in common: one request that fails in words a person can act on."""

from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import aiohttp
from yarl import URL

from edgecam.config.model import Url
from edgecam.sources import Broken

CONNECT = 10.0
"""Seconds to reach a camera at most."""
REDIRECTS = 3
_ACTIONS = {
    401: "refuses the user name or password (401); check the user and password in source.url",
    403: "forbids the access (403); check the rights of the user in source.url",
    404: "has nothing at this address (404); check the path in source.url",
}


class WebCamera:
    """One address with its login, for one life. `silence`: seconds without a byte that end a request."""

    def __init__(self, url: Url, silence: float) -> None:
        address = URL(url.reveal())
        self._safe, self._url, self._silence = url.safe, address.with_user(None), silence
        self._login: dict[str, str] = {}
        if address.user is not None:
            login = b64encode(f"{address.user}:{address.password or ''}".encode())
            self._login["Authorization"] = f"Basic {login.decode()}"
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
            limits = aiohttp.ClientTimeout(
                total=None, sock_connect=min(CONNECT, self._silence), sock_read=self._silence
            )
            self._session = aiohttp.ClientSession(timeout=limits, read_bufsize=1 << 18)
        try:
            async with await self._follow(self._session, self._login | dict(headers or {})) as response:
                yield response
        except TimeoutError as error:
            raise Broken(f"{self.describe()} is silent for {self._silence:.1f} s") from error
        except aiohttp.ClientConnectorError as error:
            raise Broken(f"cannot reach {self.describe()}: {error.os_error.strerror or error.os_error}") from error
        except aiohttp.ServerDisconnectedError as error:
            raise Broken(f"{self.describe()} hung up without an answer") from error
        except aiohttp.ClientPayloadError as error:
            raise Broken(f"{self.describe()} hung up in the middle of a picture") from error
        except aiohttp.ClientResponseError as error:
            raise Broken(f"{self.describe()} does not answer in HTTP") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Broken(f"{self.describe()}: {type(error).__name__}") from error

    async def _follow(self, session: aiohttp.ClientSession, headers: dict[str, str]) -> aiohttp.ClientResponse:
        """Redirects lead to other paths of the same camera only: the login goes nowhere else."""
        url = self._url
        for _ in range(REDIRECTS + 1):
            response = await session.get(url, headers=headers, allow_redirects=False)
            target = response.headers.get("Location")
            if response.status not in (301, 302, 303, 307, 308) or target is None:
                self._judge(response)
                return response
            response.close()
            url = url.join(URL(target))
            if url.origin() != self._url.origin():
                raise Broken(f"{self.describe()} redirects to {url.host}; if you trust it, put that into source.url")
        raise Broken(f"{self.describe()} redirects in a circle")

    def _judge(self, response: aiohttp.ClientResponse) -> None:
        if response.status in (200, 304):
            return
        wants = response.headers.get("WWW-Authenticate", "")
        response.close()
        if response.status == 401 and wants.lower().startswith("digest"):
            raise Broken(
                f"{self.describe()} wants Digest authentication, which is not built yet; set the camera to Basic"
            )
        action = _ACTIONS.get(response.status, f"answers {response.status} {response.reason or ''}".rstrip())
        raise Broken(f"{self.describe()} {action}")

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
