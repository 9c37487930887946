"""The kinds of values that keys take, and `Section`, what every part of the file has in common.

YAML hands over text as typed (see load.py), so each kind reads its own text; values that are already of the kind
pass, so that code and tests can build sections with plain Python.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, Self, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    GetJsonSchemaHandler,
    PlainSerializer,
    StringConstraints,
    Tag,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import PydanticCustomError, core_schema

from edgecam.config import cron, schedule, timetable, units
from edgecam.config.recipient import recipient
from edgecam.config.unbuilt import not_built

T = TypeVar("T")


def _reads(parse: Callable[[str], object]) -> BeforeValidator:
    """Text goes through `parse`; what is not text is left to the type."""
    return BeforeValidator(lambda value: parse(value) if isinstance(value, str) else value)


def _shown(write: Callable[[Any], str], **schema: object) -> tuple[PlainSerializer, WithJsonSchema]:
    return PlainSerializer(write, return_type=str, when_used="json"), WithJsonSchema({"type": "string", **schema})


def _text(value: object) -> str:
    return str(value)


def _not_negative(number: float) -> float:
    """A validator, not Field(ge=0): that would replace a key's own limit instead of joining it."""
    if number < 0:
        raise ValueError("must not be negative")
    return number


def _finite(seconds: float) -> float:
    if math.isinf(seconds):
        raise ValueError("must end: forever is not possible here")
    return seconds


_DURATION = r"^(forever|0|\d+(\.\d+)?\s*(ms|s|m|h|d))$"
_Seconds = Annotated[float, Field(allow_inf_nan=True), _reads(units.duration), AfterValidator(_not_negative)]

Lasting = Annotated[_Seconds, *_shown(units.duration_text, pattern=_DURATION, title="duration")]
"""Seconds, infinity for `forever`."""

Duration = Annotated[
    _Seconds, AfterValidator(_finite), *_shown(units.duration_text, pattern=_DURATION, title="duration")
]
"""Seconds."""

Bytes = Annotated[int, _reads(units.size), AfterValidator(_not_negative), *_shown(units.size_text, title="size")]
"""Bytes."""

Bitrate = Annotated[int, Field(gt=0), _reads(units.bitrate), *_shown(units.bitrate_text, title="rate")]
"""Bits per second."""

Rate = Annotated[float, Field(ge=0), _reads(units.rate), *_shown(units.rate_text, title="rate")]
"""Bytes per second."""


def _all_day(value: object) -> object:
    """One rate holds all day, and must let something pass."""
    rate = units.rate(value) if isinstance(value, str) else value
    if not isinstance(rate, int | float):
        return value
    if rate <= 0:
        raise ValueError("must be more than 0B/s; a rate of 0 can only stand for a span of the day")
    return {timetable.ELSE: rate}


def _as_typed(plan: dict[str, float] | None) -> str | dict[str, str] | None:
    if plan is None:
        return None
    shown = {span: units.rate_text(rate) for span, rate in plan.items()}
    return shown[timetable.ELSE] if shown.keys() == {timetable.ELSE} else shown


Bandwidth = Annotated[
    dict[Annotated[str, AfterValidator(timetable.span)], Rate] | None,
    BeforeValidator(_all_day),
    PlainSerializer(_as_typed, when_used="json"),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "title": "rate"},
                {"type": "object", "title": "spans of the day with rates", "additionalProperties": {"type": "string"}},
                {"type": "null"},
            ]
        }
    ),
]
"""A plan for `timetable.Timetable`: spans of the day, and what may leave in them."""

Percent = Annotated[float, Field(ge=0, le=100), _reads(units.percent), *_shown(units.percent_text, title="percentage")]
"""Percent of the picture: 0.3 is `0.3%`."""

Resolution = Annotated[units.Size, _reads(units.resolution), *_shown(_text, pattern=r"^\d+x\d+$", title="WIDTHxHEIGHT")]

Address = Annotated[units.Address, _reads(units.address), *_shown(_text, title="ADDRESS:PORT")]

TimeOfDay = Annotated[
    units.TimeOfDay,
    _reads(units.time_of_day),
    *_shown(_text, pattern=r"^([01]?\d|2[0-3]):[0-5]\d$", title="time of day"),
]

Cron = Annotated[cron.Cron, _reads(cron.cron), *_shown(_text, title="time of day or line of cron")]

Place = Annotated[Path, AfterValidator(lambda path: path.expanduser())]
"""A path; `~` is the user's home."""

RESERVED = ("status", "health", "event", "request", "response", "settings", "reload", "restart")


def _free(name: str) -> str:
    if "__" in name:
        raise ValueError("must not contain two underscores in a row")
    if name in RESERVED:
        raise ValueError(f"is reserved for MQTT topics, as are {', '.join(RESERVED)}")
    return name


def _named(pattern: str, words: str) -> AfterValidator:
    def check(name: str) -> str:
        if not re.fullmatch(pattern, name):
            raise ValueError(words)
        return name

    return AfterValidator(check)


Id = Annotated[
    str, _named("[a-z0-9_]{1,32}", "must be 1 to 32 of the characters a-z 0-9 _ (lower case)"), AfterValidator(_free)
]
"""The id of a camera, a zone or a mask."""

NodeId = Annotated[
    str, _named("[a-z0-9-]{1,32}", "must be 1 to 32 of the characters a-z 0-9 - (lower case)"), AfterValidator(_free)
]

Word = Annotated[str, StringConstraints(min_length=1)]
"""Text that says something."""


def _of_a_key(prefix: str) -> str:
    if prefix.startswith("/") or "//" in prefix or ".." in prefix.split("/") or not prefix.isprintable():
        raise ValueError("must be the beginning of an object's key such as cams/: no / in front, no //, no ..")
    return prefix


KeyPrefix = Annotated[str, AfterValidator(_of_a_key)]
"""The beginning of an object's key; the slash at its end is the user's to write."""


def _somebody(recipients: tuple[str, ...]) -> tuple[str, ...]:
    if not recipients:
        raise ValueError("must name a recipient; to encrypt nothing, leave it out")
    return recipients


Recipients = Annotated[tuple[Annotated[str, AfterValidator(recipient)], ...], AfterValidator(_somebody)]
"""Whom media is sealed for, by their public keys."""

Coordinate = Annotated[float, Field(ge=0, le=1)]
Polygon = Annotated[tuple[tuple[Coordinate, Coordinate], ...], Field(min_length=3)]
"""Corners in 0..1, `(0, 0)` is top left."""

MediaKind = Literal["event", "manual", "continuous", "timelapse", "snapshot"]


def plain(value: object) -> object:
    """Text as YAML 1.2's core would type it: for values whose type only the device knows."""
    if not isinstance(value, str):
        return value
    if value in ("true", "false"):
        return value == "true"
    for number in (int, float):
        try:
            return number(value)
        except ValueError:
            continue
    return value


Control = Annotated[bool | int | float | str | tuple[float, ...], BeforeValidator(plain)]
"""A camera control's value, of the type that the device wants."""


def _is_switch(value: object) -> bool:
    return isinstance(value, bool) or (isinstance(value, str) and value.lower() in ("true", "false", "on", "off"))


def _off(value: object) -> bool:
    return value is False or (_is_switch(value) and str(value).lower() in ("false", "off"))


def _one_or_more(value: object) -> object:
    return value if isinstance(value, list | tuple) else (value,)


UNQUOTED = "the same without quotes"
"""Describes alternatives that matter to an editor and not to a reader."""


@dataclass(frozen=True, slots=True)
class AlsoTakes:
    """Tells the JSON schema of what a validator accepts beside the type itself."""

    schema: JsonSchemaValue

    def __get_pydantic_json_schema__(
        self, core: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        own = handler(core)
        return {"anyOf": [*own.get("anyOf", [own]), self.schema]}


OFF = (BeforeValidator(lambda value: None if _off(value) else value), AlsoTakes({"const": False}))
"""`false` means absent."""

SWITCH = (
    BeforeValidator(lambda value: ({}, None)[_off(value)] if _is_switch(value) else value),
    AlsoTakes({"type": "boolean"}),
)
"""`true` means a section with all its defaults, `false` its absence."""

SEVERAL = BeforeValidator(_one_or_more)
"""One thing is a list of one."""

SEVERAL_OR_NONE = BeforeValidator(lambda value: None if value is None else _one_or_more(value))
"""The same where null means that there are none."""


def _days(text: str) -> str:
    schedule.days(text)
    return text


def _span(text: str) -> str:
    timetable.ends(text)
    return text


def _some_spans(spans: tuple[str, ...]) -> tuple[str, ...]:
    if not spans:
        raise ValueError("needs a span of the day such as 10:00-20:00")
    return spans


def _some_days(plan: object) -> object:
    if plan is not None and not (isinstance(plan, dict) and plan):
        raise ValueError('must name days and their hours, such as {"mon-fri": "10:00-20:00"}')
    return plan


def _week_as_typed(plan: dict[str, tuple[str, ...]] | None) -> dict[str, str | list[str]] | None:
    if plan is None:
        return None
    return {named: spans[0] if len(spans) == 1 else list(spans) for named, spans in plan.items()}


_SPANS = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}
Weekly = Annotated[
    dict[
        Annotated[str, AfterValidator(_days)],
        Annotated[tuple[Annotated[str, AfterValidator(_span)], ...], SEVERAL, AfterValidator(_some_spans)],
    ]
    | None,
    BeforeValidator(_some_days),
    PlainSerializer(_week_as_typed, when_used="json"),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "object", "title": "days with spans of the day", "additionalProperties": _SPANS},
                {"type": "null"},
            ]
        }
    ),
]
"""A plan for `schedule.Schedule`: days of the week, and when something is open on them."""

Kinds = Annotated[
    Annotated[bool, Tag("switch")] | Annotated[tuple[MediaKind, ...], Tag("list")],
    Discriminator(lambda value: "list" if isinstance(value, list | tuple) else "switch"),
]
"""`true`, `false`, or a list of kinds of media."""


class Section(BaseModel):
    """A part of the file: frozen, closed to unknown keys, silent about values when something is wrong."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, coerce_numbers_to_str=True, allow_inf_nan=False
    )

    @model_validator(mode="before")
    @classmethod
    def _empty_sections(cls, data: object) -> object:
        """`motion:` with nothing below it is a section with its defaults, not a mistake."""
        if not isinstance(data, dict):
            return data
        return {key: value for key, value in data.items() if value is not None or not cls.has_section(key)}

    @classmethod
    def has_section(cls, key: str) -> bool:
        """Whether `key` holds a section that always exists, so that null there means all its defaults."""
        field = cls.model_fields.get(key)
        if field is None or field.is_required() or NoneType in get_args(field.annotation):
            return False
        return isinstance(field.get_default(call_default_factory=True), Section | dict)

    @field_validator("*", mode="after")
    @classmethod
    def _built(cls, value: T, info: ValidationInfo) -> T:
        """Refuse what unbuilt.py lists."""
        name = info.field_name or ""
        owner = next((kind for kind in cls.__mro__ if not_built(kind.__name__, name)), None)
        if owner is None or (name != "type" and value == cls.model_fields[name].get_default(call_default_factory=True)):
            return value
        raise PydanticCustomError("not_built", "is not built yet")

    def changed(self, **values: object) -> Self:
        """A copy with other values, for tests and live settings; validated."""
        return type(self).model_validate({**dict(self), **values})
