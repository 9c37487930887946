"""Signed addresses: who has one sees that one thing until it ends, without a login. Pure, but for the clock.

The signature is HMAC-SHA256 (RFC 2104) over the path, what of the query says which thing is meant, and the end. The
rest of a query only shapes a picture, and is free.
"""

import hmac
import json
import math
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from enum import Enum, auto
from urllib.parse import parse_qsl, urlencode

from edgecam.clock import Clock

_MEANT = ("from", "to")
"""Of an export: which interval."""


class Verdict(Enum):
    VALID = auto()
    EXPIRED = auto()
    FORGED = auto()
    """Not signed by this key, or for something else, or for another time."""


class Signer:
    """Any thread. The key is secret; another one ends all links."""

    def __init__(self, key: bytes, clock: Clock) -> None:
        self._key, self._clock = key, clock

    def sign(self, address: str, life: float) -> str:
        """`address`, a path relative to the root, maybe with a query, as one that opens for `life` seconds."""
        path, _, query = address.partition("?")
        expires = str(math.ceil(self._clock.wall() + life))
        asked = parse_qsl(query)
        signed = {"expires": expires, "signature": self._signature(path, dict(asked), expires)}
        return f"{path}?{urlencode([*asked, *signed.items()])}"

    def judge(self, path: str, query: Mapping[str, str]) -> Verdict | None:
        """Whether what is asked for, path and query as they are decoded, may be shown. None: it is not signed."""
        signature = query.get("signature")
        if signature is None:
            return None
        expires = query.get("expires", "")
        right = self._signature(path, query, expires)
        if not hmac.compare_digest(signature.encode(errors="replace"), right.encode()):
            return Verdict.FORGED
        return Verdict.VALID if self._clock.wall() < int(expires) else Verdict.EXPIRED

    def _signature(self, path: str, query: Mapping[str, str], expires: str) -> str:
        meant = json.dumps([path, *(query.get(name) for name in _MEANT), expires])
        return urlsafe_b64encode(hmac.digest(self._key, meant.encode(), "sha256")).rstrip(b"=").decode()
