"""Answers to `WWW-Authenticate`: Digest, and Basic where nothing better is offered (RFC 7616, 7617). Pure."""

import hashlib
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.request import parse_http_list, parse_keqv_list

_HASHES = {"MD5": "md5", "SHA-256": "sha256"}


@dataclass(frozen=True, slots=True)
class Login:
    """Who we are."""

    user: str
    password: str

    def answer(self, challenges: Sequence[str], method: str, uri: str, nonce: str) -> str | None:
        """The `Authorization` for one request; None when no challenge is of a kind that we know.

        `nonce` is our own contribution, hard to guess and never used twice.
        """
        for challenge in challenges:
            scheme, _, rest = challenge.strip().partition(" ")
            if scheme.lower() == "digest":
                given = {key.lower(): value for key, value in parse_keqv_list(_pairs(rest)).items()}
                if given.get("algorithm", "MD5").upper() in _HASHES and "nonce" in given:
                    return self._digest(given, method, uri, nonce)
        if any(challenge.strip().lower().startswith("basic") for challenge in challenges):
            return "Basic " + b64encode(f"{self.user}:{self.password}".encode()).decode()
        return None

    def _digest(self, given: dict[str, str], method: str, uri: str, nonce: str) -> str:
        name = _HASHES[given.get("algorithm", "MD5").upper()]

        def hashed(*parts: str) -> str:
            return hashlib.new(name, ":".join(parts).encode(), usedforsecurity=False).hexdigest()

        realm, theirs = given.get("realm", ""), given["nonce"]
        who, what = hashed(self.user, realm, self.password), hashed(method, uri)
        said = {"username": self.user, "realm": realm, "nonce": theirs, "uri": uri}
        plain = {"algorithm": given["algorithm"]} if "algorithm" in given else {}
        if "auth" in given.get("qop", "").replace(" ", "").split(","):
            said |= {"response": hashed(who, theirs, "00000001", nonce, "auth", what), "cnonce": nonce}
            plain |= {"qop": "auth", "nc": "00000001"}
        else:
            said["response"] = hashed(who, theirs, what)
        if "opaque" in given:
            said["opaque"] = given["opaque"]
        quoted = [f'{key}="{value}"' for key, value in said.items()]
        return "Digest " + ", ".join([*quoted, *(f"{key}={value}" for key, value in plain.items())])


def _pairs(text: str) -> list[str]:
    """The parts that are a key and a value; a server may say anything."""
    return [pair for pair in parse_http_list(text) if pair.partition("=")[2]]
