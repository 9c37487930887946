"""age: the format of sealed media (c2sp.org/age), by way of the library pyrage, loaded when something is to be sealed.

Streams of any length in a few MB of memory. What was tampered with, or is not whole, does not open.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NewType, Protocol

from edgecam.offload.stores import BadSettings

SUFFIX = ".age"

Identities = NewType("Identities", tuple[object, ...])
"""The secret keys of a file, as pyrage has them."""

_MISSING = "the Python package 'pyrage' is missing, {} needs it"
_CURE = "pip install 'edgecam[encrypt]'"
_LINE = "AGE-SECRET-KEY-1..."


class Reader(Protocol):
    """Where bytes come from; none is the end."""

    def read(self, size: int, /) -> bytes: ...


class Writer(Protocol):
    """Where bytes go, all of them."""

    def write(self, data: bytes, /) -> object: ...


class Unreadable(ValueError):
    """An identity file that is none, in words for the person who named it."""


class Closed(Exception):
    """None of the identities opens it."""


class Broken(Exception):
    """It is no age file, or not the one that was written."""


def encrypt(source: Reader, out: Writer, recipients: Sequence[str], pulse: Callable[[], object]) -> None:
    """Write `source` to `out`, sealed for `recipients`; other bytes each time. `pulse` is called with each block.

    Blocking. Raises OSError of `source` and `out`, BadSettings.
    """
    age = _pyrage("offload.encrypt")
    reader, writer = _From(source, pulse), _Into(out)
    try:
        age.encrypt_io(reader, writer, [_recipient(age, text) for text in recipients])
    except (age.EncryptError, OSError) as error:
        raise reader.error or writer.error or OSError(str(error)) from None
    if writer.error:  # of its last bytes it says nothing
        raise writer.error


def decrypt(source: Reader, out: Writer, identities: Identities) -> None:
    """Write what is sealed in `source` to `out`, whose content is worth nothing before this returns.

    Blocking. Raises Closed, Broken, and OSError of `source` and `out`.
    """
    age = _pyrage("--identity")
    reader, writer = _From(source), _Into(out)
    try:
        age.decrypt_io(reader, writer, list(identities))
    except (age.DecryptError, OSError) as error:
        if ours := reader.error or writer.error:
            raise ours from None
        if "No matching keys" in str(error):
            raise Closed from None
        raise Broken from None
    if writer.error:
        raise writer.error


def identities(path: Path) -> Identities:
    """The secret keys in a file of age-keygen, or the one SSH key in it. Raises Unreadable, BadSettings."""
    age = _pyrage("--identity")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror}") from None
    if data.startswith((b"age-encryption.org/", b"-----BEGIN AGE")):
        raise Unreadable(f"{path} is sealed with a passphrase itself: open it with `age -d` first")
    try:
        if b"PRIVATE KEY-----" in data:
            return Identities((age.ssh.Identity.from_buffer(data),))
        found = (line for line in re.split(r"\s*\n\s*", data.decode().strip()) if line and not line.startswith("#"))
        keys = Identities(tuple(age.x25519.Identity.from_str(line) for line in found))
    except (age.IdentityError, UnicodeDecodeError) as error:
        if "must be decrypted" in str(error):
            cure = "use a copy without one (ssh-keygen -p)"
            raise Unreadable(f"{path} is an SSH key with a passphrase: {cure}") from None
        raise Unreadable(f"{path} is no identity file: it has lines {_LINE}, or is an SSH private key") from None
    if not keys:
        raise Unreadable(f"{path} holds no identity: a line {_LINE}, or an SSH private key")
    return keys


class _From:
    """A reader for pyrage, which turns an error into words: here it is kept as it was."""

    def __init__(self, reader: Reader, pulse: Callable[[], object] = lambda: None) -> None:
        self._reader, self._pulse = reader, pulse
        self.error: OSError | None = None

    def read(self, size: int) -> bytes:
        self._pulse()
        try:
            return self._reader.read(size)
        except OSError as error:
            self.error = error
            raise


class _Into:
    """The same for a writer."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        try:
            self._writer.write(data)
        except OSError as error:
            self.error = error
            raise
        return len(data)

    def flush(self) -> None:
        """When it is the time, the caller does."""


def _pyrage(whom: str) -> Any:  # pyrage tells no types
    try:
        import pyrage
    except ModuleNotFoundError:
        raise BadSettings(_MISSING.format(whom), _CURE) from None
    return pyrage


def _recipient(age: Any, text: str) -> object:
    kind = age.ssh if text.startswith("ssh-") else age.x25519
    try:
        recipient: object = kind.Recipient.from_str(text)
    except age.RecipientError as error:
        raise BadSettings(f"nothing can be sealed for {text[:20]}...: {error}", "check offload.encrypt") from None
    return recipient
