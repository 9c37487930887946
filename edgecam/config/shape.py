"""The shape of the models: which section, key and kind of value a path leads to. Pure; for errors and documents."""

from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple, get_args, get_origin

from pydantic import PlainSerializer
from pydantic.fields import FieldInfo

from edgecam.config.fields import Section
from edgecam.config.model import Config
from edgecam.config.places import Path
from edgecam.config.unbuilt import not_built


def sections(annotation: object) -> tuple[type[Section], ...]:
    """The sections that a key may hold: itself, or what lies in its union, mapping or list."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return (annotation,)
    return tuple(section for part in get_args(annotation) for section in sections(part))


def kind_of(section: type[Section]) -> str | None:
    """The `type` that chooses this section among others: `s3` for an S3Store."""
    field = section.model_fields.get("type")
    return str(get_args(field.annotation)[0]) if field and get_origin(field.annotation) is Literal else None


def is_built(section: type[Section], key: str = "type") -> bool:
    """Whether this release does something with the key."""
    return not any(not_built(kind.__name__, key) for kind in section.__mro__)


def _metadata(annotation: object) -> Iterator[object]:
    yield from getattr(annotation, "__metadata__", ())
    for part in get_args(annotation):
        yield from _metadata(part)


def writer(field: FieldInfo | None) -> Callable[[Any], str]:
    """How a value of this key is written in the file."""
    known = (*field.metadata, *_metadata(field.annotation)) if field else ()
    for item in known:
        if isinstance(item, PlainSerializer):
            return item.func  # type: ignore[return-value]  # fields.py makes them of functions of one argument
    return lambda value: f"{value:g}" if isinstance(value, float) else str(value)


class Traced(NamedTuple):
    """Where one of pydantic's locations leads."""

    path: Path
    """The location without the steps that are no keys of the file."""
    sections: tuple[type[Section], ...]
    """What may stand there."""
    field: FieldInfo | None
    """The key that was passed last."""
    kind: str | None
    """The `type` of the section that the last step stands in."""


def trace(location: Path) -> Traced:
    """Follow a location through the models; steps that only name a branch of a union are dropped."""
    path: list[str | int] = []
    here: tuple[type[Section], ...] = (Config,)
    field: FieldInfo | None = None
    kind: str | None = None
    chosen: str | None = None
    named = False  # the next step is a name that the user gave
    for step in location:
        if named or isinstance(step, int):
            path.append(step)
            named = False
        elif own := next((section for section in _open(here, step) if step in section.model_fields), None):
            path.append(step)
            field, kind, chosen = own.model_fields[step], chosen, None
            named, here = _has_names(field.annotation), sections(field.annotation)
        elif branch := tuple(section for section in here if kind_of(section) == step):
            here, chosen = branch, step
        elif here and step != "[key]":
            path.append(step)  # an unknown option
            kind, chosen = chosen, None
    return Traced(tuple(path), here, field, kind)


def _has_names(annotation: object) -> bool:
    """Whether names of the user's own stand below a key: a mapping, or one that may be absent."""
    return any(get_origin(part) is dict for part in (annotation, *get_args(annotation)))


def _open(here: tuple[type[Section], ...], step: str) -> tuple[type[Section], ...]:
    """The sections whose keys a step can name: of a union that has yet to be chosen only the `type`."""
    return here if len(here) == 1 or step == "type" else ()
