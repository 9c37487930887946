"""Passwords as hashes: `scrypt$<n>$<r>$<p>$<salt>$<hash>`, salt and hash in URL-safe base64 without padding (RFC 7914).

`http.users.<name>.password` takes such a hash or the plain password. Checking a hash takes 16 MB and about 50 ms
on a PC, half a second on the smallest board, on purpose: do it in the pool.
"""

import base64
import hashlib
import hmac
import os

_N, _R, _P, _LENGTH = 1 << 14, 8, 1, 32
_COSTLIEST = 1 << 18
"""n * r above this would take more memory than a board has."""


def hash_password(password: str) -> str:
    """A fresh salted hash of `password`, to paste into the configuration."""
    salt = os.urandom(16)
    return f"scrypt${_N}${_R}${_P}${_text(salt)}${_text(_scrypt(password, salt, _N, _R, _P, _LENGTH))}"


def is_hash(text: str) -> bool:
    return text.startswith("scrypt$")


def verify(password: str, kept: str) -> bool:
    """Whether `password` is the one that `kept`, a hash or a plain password, was made from. Constant time.

    Raises ValueError for a hash that is damaged or too costly to check.
    """
    if not is_hash(kept):
        return hmac.compare_digest(_digest(password), _digest(kept))
    try:
        _, n, r, p, salt, wanted = kept.split("$")
        cost, key = (int(n), int(r), int(p)), _bytes(wanted)
        if cost[0] * cost[1] > _COSTLIEST or not 1 <= cost[2] <= 4 or not key:
            raise ValueError
        found = _scrypt(password, _bytes(salt), *cost, len(key))
    except ValueError as error:
        raise ValueError("is not a whole password hash; make a new one with `edgecam password`") from error
    return hmac.compare_digest(found, key)


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int, length: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, maxmem=256 * n * r + (1 << 20), dklen=length)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
