"""How keys and values are written in YAML and in documents. Pure; for the reference, the example and `effective`."""

import json
import re
from typing import Annotated, Any

from pydantic import TypeAdapter
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from edgecam.config.fields import UNQUOTED, Section

_BARE = re.compile(r"[A-Za-z0-9/~<][\w ./:%+=~@<>…-]*")
_NOT_TEXT = re.compile(r"~|null|true|false|yes|no|on|off|y|n|[\d.,:_+-]+(e[+-]?\d+)?", re.IGNORECASE)


def _adapter(field: FieldInfo) -> TypeAdapter[Any]:
    kind: Any = field.annotation
    return TypeAdapter(Annotated[kind, *field.metadata] if field.metadata else kind)


def default(field: FieldInfo) -> object:
    """The default as data of the file (`10s`, not 10.0); PydanticUndefined for a required key."""
    value = field.get_default(call_default_factory=True)
    return value if value is PydanticUndefined else _adapter(field).dump_python(value, mode="json")


def value(data: object) -> str:
    """One value on one line, as YAML."""
    if isinstance(data, str):
        if data.startswith(("!secret ", "!file ", "!env_var ")):
            return data
        plain = _BARE.fullmatch(data) and not _NOT_TEXT.fullmatch(data) and ": " not in data and data == data.strip()
        return data if plain else json.dumps(data, ensure_ascii=False)
    if isinstance(data, dict):
        return "{" + ", ".join(f"{value(key)}: {value(item)}" for key, item in data.items()) + "}"
    if isinstance(data, list | tuple):
        return "[" + ", ".join(value(item) for item in data) + "]"
    if isinstance(data, float) and data == int(data):
        return str(int(data))
    return json.dumps(data)


def takes(field: FieldInfo) -> str:
    """What may be written for a key, in words: `duration`, `one of auto, text, json`, `whole number, 1 to 100`."""
    if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
        return "section"
    schema = _adapter(field).json_schema()
    return _words(schema, schema.get("$defs", {}))


def _words(schema: dict[str, Any], known: dict[str, Any]) -> str:
    if "$ref" in schema:
        return "section"
    for union in ("anyOf", "oneOf"):
        if union in schema:
            parts = (part for part in schema[union] if part.get("description") != UNQUOTED)
            return " or ".join(dict.fromkeys(_words(part, known) for part in parts))
    if "enum" in schema:
        return f"one of {', '.join(map(value, schema['enum']))}"
    if "const" in schema:
        return value(schema["const"])
    return _simple(schema, known)


def _simple(schema: dict[str, Any], known: dict[str, Any]) -> str:
    named = schema.get("title") or {"password": "secret", "uri": "address", "path": "path"}.get(
        schema.get("format", "")
    )
    if named:
        return str(named)
    kind = schema.get("type")
    if kind == "array":
        return f"list of {_words(schema['items'], known)}" if "items" in schema else "[x, y]"
    if kind == "object":
        below = schema.get("additionalProperties")
        return f"names, each with {_words(below, known)}" if isinstance(below, dict) else "section"
    words = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true or false"}
    low, high = (schema.get(side) for side in ("minimum", "maximum"))
    within = f", {low:g} to {high:g}" if low is not None and high is not None else ""
    return words.get(str(kind), str(kind)) + within


def keys(section: type[Section]) -> dict[str, FieldInfo]:
    """The keys of a section in the order in which people want them: its `type` first."""
    return dict(sorted(section.model_fields.items(), key=lambda item: item[0] != "type"))


def title(section: type[Section]) -> str:
    """The sentence that describes a section."""
    return " ".join((section.__doc__ or "").split())
