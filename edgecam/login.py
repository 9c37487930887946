"""Login: what a camera or server is sent to prove who we are, and only once it has asked. Pure.

Basic (RFC 7617), Digest (RFC 7616, 2617, 2069). Why not aiohttp's own: `docs/decisions/0006-our-own-login.md`.
"""

import hashlib
import re
import secrets
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

_ITEM = re.compile(r'([^\s,="]+)\s*+(?:=\s*+(?:"((?:[^"\\]++|\\.)*+)"|([^\s,]*+)))?+')
"""A scheme's name, or `name=value`, `name="value"` of the challenge that began before it."""
_HASHES = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}
"""RFC 7616 (6.1); each also as `-sess`."""


class Unanswerable(Exception):
    """The camera asks for what we cannot give; the text says for what."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way in that a camera offers: the scheme and its parameters, names in lower case."""

    scheme: str
    params: Mapping[str, str]


def challenges(headers: Iterable[str]) -> list[Challenge]:
    """What `WWW-Authenticate` offers, in the camera's order; several may stand in one header (RFC 9110, 11.6.1)."""
    found: list[tuple[str, dict[str, str]]] = []
    for header in headers:
        for match in _ITEM.finditer(header):
            name, quoted, plain = match.groups()
            if quoted is None and plain is None:
                found.append((name.lower(), {}))
            elif found:
                found[-1][1][name.lower()] = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
    return [Challenge(scheme, params) for scheme, params in found]


class Login:
    """User and password for one origin. Not thread-safe.

    `answer` goes with every request; a 401 is taken to `refused`, any other answer to `accepted`. So a nonce is used as
    often as the camera lets us, and a wrong password is sent once: cameras lock out those who try again and again.
    """

    def __init__(self, user: str, password: str, token: Callable[[], str] = lambda: secrets.token_hex(8)) -> None:
        """`token` makes client nonces."""
        self._user, self._password, self._token = user, password, token
        self._way: _Basic | _Digest | None = None
        self._proven = False  # what we sent last was right

    def answer(self, method: str, target: str) -> str | None:
        """The `Authorization` of the next request, whose path and query are `target`; None while nothing was asked."""
        return None if self._way is None else self._way.answer(self._user, self._password, method, target)

    def refused(self, headers: Iterable[str]) -> bool:
        """Take up what a refusal offers; whether it is worth asking again. Raises Unanswerable."""
        before, proven = self._way, self._proven
        self._way, self._proven = self._best(challenges(headers)), False
        return before is None or proven or (isinstance(self._way, _Digest) and self._way.stale)

    def accepted(self, info: str) -> None:
        """The camera let us in; `info` is its `Authentication-Info`, which may name the next nonce."""
        self._proven = self._way is not None
        params = {name.lower(): quoted or plain for name, quoted, plain in _ITEM.findall(info)}
        if isinstance(self._way, _Digest) and (nonce := params.get("nextnonce")):
            self._way = _Digest({**self._way.params, "nonce": nonce}, self._token())

    def _best(self, offers: list[Challenge]) -> "_Basic | _Digest":
        """The camera's first Digest that we know, else Basic: that is also what a refusal without an offer means."""
        for offer in offers:
            if offer.scheme == "digest" and _hash(offer.params) is not None and _qop(offer.params) is not None:
                return _Digest(offer.params, self._token())
        if not offers or any(offer.scheme == "basic" for offer in offers):
            return _Basic()
        named = ((offer.scheme.capitalize(), offer.params.get("algorithm", "")) for offer in offers)
        raise Unanswerable(" or ".join(dict.fromkeys(" ".join(filter(None, words)) for words in named)))


class _Basic:
    @staticmethod
    def answer(user: str, password: str, method: str, target: str) -> str:
        return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"


class _Digest:
    """One nonce of the camera, and how often we have used it. The client's nonce stays: `-sess` needs that."""

    def __init__(self, params: Mapping[str, str], token: str) -> None:
        self.params, self._token, self._count = params, token, 0

    @property
    def stale(self) -> bool:
        return self.params.get("stale", "").lower() == "true"

    def answer(self, user: str, password: str, method: str, target: str) -> str:
        params, name, qop = self.params, _hash(self.params), _qop(self.params)
        realm, nonce = params.get("realm", ""), params.get("nonce", "")
        self._count += 1
        count = f"{self._count:08x}"

        def digest(*parts: str) -> str:
            return hashlib.new(name or "md5", ":".join(parts).encode(), usedforsecurity=False).hexdigest()

        secret = digest(user, realm, password)
        if params.get("algorithm", "").lower().endswith("-sess"):
            secret = digest(secret, nonce, self._token)
        what = digest(method, target, digest("")) if qop == "auth-int" else digest(method, target)
        used = [nonce, count, self._token, qop] if qop else [nonce]
        fields = {"username": user, "realm": realm, "nonce": nonce, "uri": target}
        fields["response"] = digest(secret, *used, what)
        if "opaque" in params:
            fields["opaque"] = params["opaque"]
        if qop:
            fields["cnonce"] = self._token
        plain = {"qop": qop, "nc": count} if qop else {}
        if "algorithm" in params:
            plain["algorithm"] = params["algorithm"]
        quoted = [f'{key}="{_escaped(value)}"' for key, value in fields.items()]
        return "Digest " + ", ".join([*quoted, *(f"{key}={value}" for key, value in plain.items())])


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')


def _hash(params: Mapping[str, str]) -> str | None:
    """The name of the hash for `hashlib`, MD5 where the camera names none; None for one that we do not know."""
    return _HASHES.get(params.get("algorithm", "MD5").upper().removesuffix("-SESS"))


def _qop(params: Mapping[str, str]) -> str | None:
    """What is protected: "" as in RFC 2069, else the request (`auth`) or also its body, which is empty (`auth-int`)."""
    offered = [word.strip().lower() for word in params.get("qop", "").split(",") if word.strip()]
    return next((word for word in ("auth", "auth-int") if word in offered), None) if offered else ""
