"""Values that must not be seen: passwords, tokens, keys, and the addresses that carry them.

`str`, `repr` and serialisation are always redacted; only `reveal` gives the value to the code that needs it.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Self
from urllib.parse import unquote, urlsplit

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import core_schema

REDACTED = "***"
_TELLING = re.compile(r"pass|pwd|token|key|secret|sig|auth|usr|user|login|pin|code|cred", re.IGNORECASE)
_PIECE_OF_CONNECTION = re.compile(r"(?:AccountKey|SharedAccessSignature)=([^;]+)", re.IGNORECASE)


class FromFile(str):
    """Text that `!file` read, and from where."""

    path: Path

    def __new__(cls, text: str, path: Path) -> Self:
        made = super().__new__(cls, text)
        made.path = path
        return made


def first_line(path: Path) -> str:
    """The first line of a file without its end. Raises OSError, and ValueError when it is not text or empty."""
    with path.open(encoding="utf-8") as file:
        line = file.readline(65536).rstrip("\r\n")
    if not line:
        raise ValueError("the first line is empty")
    return line


class Secret:
    """One secret. Comes from plain text, `!secret`, `!env_var` or `!file`; the last is read anew when the file changes.

    Any thread may call `reveal`.
    """

    __slots__ = ("_path", "_seen", "_text")

    def __init__(self, text: str) -> None:
        self._text = str(text)
        self._path = text.path if isinstance(text, FromFile) else None
        self._seen = self._stamp()

    def _stamp(self) -> tuple[int, int] | None:
        if self._path is None:
            return None
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_ino

    def reveal(self) -> str:
        """The value itself. A file that has become unreadable leaves the value that was known."""
        if self._path is not None and (seen := self._stamp()) != self._seen:
            try:
                self._text = first_line(self._path)
            except (OSError, ValueError):  # being replaced: look again next time
                return self._text
            self._seen = seen
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and (self._path, self._text) == (other._path, other._text)

    def __hash__(self) -> int:
        return hash((self._path, self._text))

    def __str__(self) -> str:
        return REDACTED

    def __repr__(self) -> str:
        return f"Secret({REDACTED})"

    @classmethod
    def _validate(cls, value: object) -> Self:
        if isinstance(value, cls):
            return value
        if not isinstance(value, str):
            raise ValueError("must be text")
        if not value:
            raise ValueError("is empty; leave the key out or give it a value")
        return cls(value)

    @classmethod
    def __get_pydantic_core_schema__(cls, _: object, __: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        shown = core_schema.plain_serializer_function_ser_schema(lambda value: str(value), when_used="json")
        return core_schema.no_info_plain_validator_function(cls._validate, serialization=shown)

    @classmethod
    def __get_pydantic_json_schema__(cls, _: core_schema.CoreSchema, __: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "format": "password"}


class Url:
    """An address that may carry a login or a key. `reveal()` opens it; everything else shows `safe`."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        """Raises ValueError when there is no scheme or host in it."""
        try:
            parts = urlsplit(text)
            complete = bool(parts.scheme and parts.hostname) and parts.port != 0
        except ValueError:  # its own message may quote the text
            complete = False
        if not complete:
            raise ValueError("must be a complete address such as http://camera.local/video")
        self._text = str(text)

    def reveal(self) -> str:
        """The address as it was written."""
        return self._text

    @property
    def scheme(self) -> str:
        return urlsplit(self._text).scheme

    @property
    def host(self) -> str:
        return urlsplit(self._text).hostname or ""

    @property
    def safe(self) -> str:
        """Without login, and without the values of query parameters that look like keys."""
        parts = urlsplit(self._text)
        place = f"{REDACTED}@{parts.netloc.rpartition('@')[2]}" if "@" in parts.netloc else parts.netloc
        query = "&".join(
            f"{name}={REDACTED}" if _TELLING.search(unquote(name)) and value else name + equals + value
            for name, equals, value in (pair.partition("=") for pair in parts.query.split("&"))
        )
        return parts._replace(netloc=place, query=query).geturl()

    def secrets(self) -> Iterator[str]:
        """Every text in it that must not be seen, as written and decoded."""
        parts = urlsplit(self._text)
        login = parts.netloc.rpartition("@")[0]
        pairs = (pair.partition("=") for pair in parts.query.split("&"))
        keys = [value for name, _, value in pairs if _TELLING.search(unquote(name))]
        for text in filter(None, (login, *login.split(":", 1)[1:], *keys)):
            yield from (text, unquote(text))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Url) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __str__(self) -> str:
        return self.safe

    def __repr__(self) -> str:
        return f"Url({self.safe!r})"

    @classmethod
    def _validate(cls, value: object) -> Self:
        if isinstance(value, cls):
            return value
        if not isinstance(value, str):
            raise ValueError("must be text")
        return cls(value)

    @classmethod
    def __get_pydantic_core_schema__(cls, _: object, __: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        shown = core_schema.plain_serializer_function_ser_schema(lambda value: str(value), when_used="json")
        return core_schema.no_info_plain_validator_function(cls._validate, serialization=shown)

    @classmethod
    def __get_pydantic_json_schema__(cls, _: core_schema.CoreSchema, __: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "format": "uri"}


def secrets_in(value: object) -> Iterator[str]:
    """Every secret text below a model, list or mapping: what the log must never show."""
    if isinstance(value, Secret):
        text = value.reveal()
        yield text
        yield from _PIECE_OF_CONNECTION.findall(text)
    elif isinstance(value, Url):
        yield from value.secrets()
    elif isinstance(value, dict):
        for item in value.values():
            yield from secrets_in(item)
    elif isinstance(value, tuple | list):
        for item in value:
            yield from secrets_in(item)
    elif hasattr(type(value), "model_fields"):
        yield from secrets_in(vars(value))
