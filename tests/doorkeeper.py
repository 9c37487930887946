"""The other side of a login: a server's Basic and Digest as RFC 7617, 7616, 2617 and 2069 have them, and as cameras do.

Written from the RFCs for the tests alone; `tests/unit/test_login.py` holds it against curl and urllib.
"""

import base64
import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.request import parse_http_list, parse_keqv_list

HASHES: dict[str, Callable[[bytes], "hashlib._Hash"]] = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}


@dataclass
class Doorkeeper:
    """Lets `user` in. `basic` is offered before Digest, as cameras do; no `algorithms`: no Digest at all."""

    user: str
    password: str
    algorithms: tuple[str | None, ...] = ()
    """One Digest each; None: the parameter is missing, and MD5 meant."""
    basic: bool = False
    qop: str | None = "auth"
    uses: int | None = None
    """How often a nonce is good; more is stale."""
    says_stale: bool = True
    next_nonce: bool = False
    """Whether each answer names the nonce of the next request."""
    opaque: str | None = "5ccc069c403ebaf9f0171e9517f40e41"
    realm: str = 'cam "7", 2nd floor'
    refused: list[str] = field(default_factory=list)
    """The logins that were wrong."""
    _nonces: dict[str, list[int]] = field(default_factory=dict)
    """The counts that came with each nonce."""

    def admit(self, method: str, target: str, headers: dict[str, str]) -> tuple[list[str], list[str]]:
        """Header lines for the answer: of the refusal, empty when the client may pass, and of the welcome."""
        scheme, _, rest = headers.get("authorization", "").partition(" ")
        if scheme == "Basic" and self.basic:
            if base64.b64decode(rest).decode() == f"{self.user}:{self.password}":
                return [], []
        elif scheme == "Digest" and self.algorithms:
            fields = parse_keqv_list(parse_http_list(rest))
            if self._is_right(method, target, fields):
                counts = self._nonces.get(fields["nonce"])
                count = int(fields.get("nc", "0"), 16)
                if counts is None or (self.uses is not None and len(counts) >= self.uses):
                    return self._offers(stale=self.says_stale), []
                if self.qop and count in counts:
                    return self._offers(), []  # a replay
                counts.append(count)
                return [], ([f'Authentication-Info: nextnonce="{self._nonce()}"'] if self.next_nonce else [])
        if scheme:
            self.refused.append(scheme)
        return self._offers(), []

    def _nonce(self) -> str:
        nonce = secrets.token_urlsafe(12)
        self._nonces[nonce] = []
        return nonce

    def _offers(self, *, stale: bool = False) -> list[str]:
        offers = ['WWW-Authenticate: Basic realm="cam"'] if self.basic else []
        realm = self.realm.replace('"', '\\"')
        for algorithm in self.algorithms:
            offer = f'WWW-Authenticate: Digest realm="{realm}", nonce="{self._nonce()}"'
            offer += f", algorithm={algorithm}" if algorithm else ""
            offer += f', qop="{self.qop}"' if self.qop else ""
            offer += f', opaque="{self.opaque}"' if self.opaque else ""
            offers.append(offer + (", stale=true" if stale else ""))
        return offers

    def _is_right(self, method: str, target: str, fields: dict[str, str]) -> bool:
        """RFC 7616, 3.4.1 to 3.4.3."""
        algorithm = fields.get("algorithm")
        if algorithm not in self.algorithms and not (algorithm == "MD5" and None in self.algorithms):
            return False
        if fields["uri"] != target or fields["username"] != self.user or fields.get("opaque") != self.opaque:
            return False
        if bool(self.qop) != ("qop" in fields) or (self.qop and fields["qop"] not in self.qop.split(",")):
            return False
        hashed = HASHES[(algorithm or "MD5").removesuffix("-sess")]

        def digest(text: str) -> str:
            return hashed(text.encode()).hexdigest()

        a1 = f"{self.user}:{self.realm}:{self.password}"
        if algorithm and algorithm.endswith("-sess"):
            a1 = f"{digest(a1)}:{fields['nonce']}:{fields['cnonce']}"
        a2 = f"{method}:{target}" + (f":{digest('')}" if fields.get("qop") == "auth-int" else "")
        middle = fields["nonce"]
        if self.qop:
            middle += f":{fields['nc']}:{fields['cnonce']}:{fields['qop']}"
        return fields["response"] == digest(f"{digest(a1)}:{middle}:{digest(a2)}")
