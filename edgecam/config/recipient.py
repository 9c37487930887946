"""Recipients of age: the public keys for which media is sealed (age's specification: c2sp.org/age). Pure.

Read here, without the library that seals, so that a slip of the pen is told with its place in the file.
"""

import base64
import binascii
import struct

_ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_AGE, _AGE_LENGTH = "age", 62
_ED25519, _RSA = "ssh-ed25519", "ssh-rsa"
_LEAST_RSA = 256
"""Bytes of the modulus: 2048 bits, below which nobody takes RSA any more."""

TAKEN = "must be an age recipient (age1...) or an SSH public key (ssh-ed25519 ..., ssh-rsa ...)"


def recipient(text: str) -> str:
    """`text` without blanks and comment. Raises ValueError, never with the text: it may be a secret key by mistake."""
    text = text.strip()
    if text.upper().startswith("AGE-SECRET-KEY-") or "PRIVATE KEY" in text:
        raise ValueError("is a secret key: write the public one, from `age-keygen -y FILE`")
    if text.startswith("ssh-"):
        return _ssh(text)
    if not text.startswith("age1"):
        raise ValueError(TAKEN)
    return _age(text)


def _age(text: str) -> str:
    """Bech32, as BIP 173 has it, of 32 bytes."""
    if "1" in text[4:]:
        raise ValueError("is for a plug-in of age; only age1..., without one, and SSH keys are taken")
    if len(text) != _AGE_LENGTH or set(text[4:]) - set(_ALPHABET):
        raise ValueError(f"is no age recipient: age1 and {_AGE_LENGTH - 4} of the characters {_ALPHABET}")
    if _checksum(text[4:]) != 1:
        raise ValueError("is no age recipient: its checksum is wrong, so at least one character is")
    return text


def _checksum(data: str) -> int:
    values = [*(ord(sign) >> 5 for sign in _AGE), 0, *(ord(sign) & 31 for sign in _AGE), *map(_ALPHABET.index, data)]
    found = 1
    for value in values:
        top, found = found >> 25, (found & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate(_GENERATOR):
            found ^= generator if top >> bit & 1 else 0
    return found


def _ssh(text: str) -> str:
    kind, _, rest = text.partition(" ")
    coded = rest.strip().partition(" ")[0]
    if kind not in (_ED25519, _RSA):
        raise ValueError(f"is of a kind that age cannot seal for: only {_ED25519} and {_RSA}")
    try:
        name, *numbers = _fields(base64.b64decode(coded, validate=True))
    except (binascii.Error, ValueError, struct.error):
        raise ValueError("is no SSH public key: something of it is missing") from None
    sizes = [len(number) for number in numbers]
    if name != kind.encode() or not (sizes == [32] if kind == _ED25519 else len(sizes) == 2):
        raise ValueError("is no SSH public key: it does not hold what it says")
    if kind == _RSA and sizes[1] < _LEAST_RSA:
        raise ValueError("is too short a key: RSA needs 2048 bits at least")
    return f"{kind} {coded}"


def _fields(blob: bytes) -> list[bytes]:
    """The byte strings of an SSH public key (RFC 4253, section 6.6), each behind its length."""
    found, at = list[bytes](), 0
    while at < len(blob):
        (length,) = struct.unpack_from(">I", blob, at)
        at += 4 + length
        if at > len(blob):
            raise ValueError
        found.append(blob[at - length : at])
    return found
