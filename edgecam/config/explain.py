"""Turns what pydantic found into sentences with places. Pure. No sentence holds a value of the file."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from pydantic_core import ErrorDetails

from edgecam.config.document import like
from edgecam.config.fields import Section
from edgecam.config.places import Entry, Leaf, Path, Problem, Tree, dotted, find
from edgecam.config.shape import Traced, is_built, kind_of, sections, trace, writer
from edgecam.config.source import SourceConfig

_SIMPLE = {
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_type": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "string_type": "must be text",
    "string_too_short": "must not be empty",
    "path_type": "must be a path",
    "tuple_type": "must be a list",
    "model_type": "must be a section with keys of its own",
    "model_attributes_type": "must be a section with keys of its own",
    "dict_type": "must be a section with keys of its own",
}
_LIMITS = {
    "greater_than": ("must be more than", "gt"),
    "greater_than_equal": ("must be at least", "ge"),
    "less_than": ("must be less than", "lt"),
    "less_than_equal": ("must be at most", "le"),
}
_SOURCES = "must be a source: synthetic, http://…, file:clip.mp4, or a section with a type"


def problems(errors: Iterable[ErrorDetails], tree: Tree) -> list[Problem]:
    """One problem for each error, at its place in `tree`; none where the tree is broken already."""
    every = list(errors)
    found = (_problem(error, tree) for error in every if not _comes_of_others(error, every))
    return [problem for problem in found if problem is not None]


def _comes_of_others(error: ErrorDetails, every: Sequence[ErrorDetails]) -> bool:
    """Only entries that are right are counted: a list is not too short because something in it is wrong."""
    loc = error["loc"]
    return error["type"] == "too_short" and any(other["loc"][: len(loc)] == loc != other["loc"] for other in every)


def _problem(error: ErrorDetails, tree: Tree) -> Problem | None:
    traced, kind = trace(error["loc"]), error["type"]
    path = (*traced.path, "type") if kind == "union_tag_invalid" else traced.path
    path, entry = (path, find(tree, path)[0]) if kind == "missing" else located(tree, path)
    if isinstance(entry.value, Leaf) and entry.value.broken:
        return None
    text = entry.value.value if isinstance(entry.value, Leaf) else None
    about_the_key = kind in ("extra_forbidden", "missing") or error["loc"][-1:] == ("[key]",)
    spot = entry.value.spot if isinstance(entry.value, Leaf) and not about_the_key else entry.key
    return Problem(spot, dotted(path), _sentence(error, traced, text or ""))


def located(tree: Tree, path: Path) -> tuple[Path, Entry]:
    """The entry that `path` means: the camera's own, else the one under `defaults`, else what it should stand in."""
    entry, depth = find(tree, path)
    if depth < len(path) and path[0] == "cameras":
        default = ("defaults", *path[2:])
        below, reached = find(tree, default)
        if reached == len(default) > 1:
            return default, below
    return path, entry


def at(tree: Tree, path: Path, message: str) -> Problem:
    """A problem with what stands at `path`, or with what it should stand in."""
    path, entry = located(tree, path)
    return Problem(entry.value.spot if isinstance(entry.value, Leaf) else entry.key, dotted(path), message)


def _sentence(error: ErrorDetails, traced: Traced, text: str) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind in _SENTENCES:
        return _SENTENCES[kind](context, traced, text)
    if kind in _LIMITS:
        words, name = _LIMITS[kind]
        return f"{words} {writer(traced.field)(context[name])}"
    if traced.path[-1:] == ("source",) and kind.endswith(("_type", "not_found")):
        return _SOURCES + like(text, ["picamera2", "synthetic"])
    return _SIMPLE.get(kind) or error["msg"][:1].lower() + error["msg"][1:]


def _unknown(_: Mapping[str, Any], traced: Traced, __: str) -> str:
    name = str(traced.path[-1])
    if ":" in name:
        return "unknown option; is the space after the colon missing?"
    of_kind = f" for type {traced.kind}" if traced.kind else ""
    known = {key for section in traced.sections for key in section.model_fields}
    return f"unknown option{of_kind}{like(name, known) or _elsewhere(name, traced.sections)}"


def _elsewhere(name: str, here: Iterable[type[Section]]) -> str:
    """` (did you mean 'motion.sensitivity'?)` for a key that belongs one section deeper."""
    for section in here:
        for key, field in section.model_fields.items():
            if any(name in below.model_fields for below in sections(field.annotation)):
                return f" (did you mean '{key}.{name}'?)"
    return ""


def _missing(_: Mapping[str, Any], traced: Traced, __: str) -> str:
    if isinstance(traced.path[-1], int):
        return "must be a pair of numbers [x, y]"
    return f"is required for type {traced.kind}" if traced.kind else "is required"


def _no_such_kind(context: Mapping[str, Any], traced: Traced, text: str) -> str:
    kinds = [kind for section in traced.sections if (kind := kind_of(section))]
    return f"must be one of {', '.join(kinds)}{like(text, kinds)}"


def _no_kind(_: Mapping[str, Any], traced: Traced, __: str) -> str:
    kinds = [kind for section in traced.sections if (kind := kind_of(section))]
    return f"type is required: one of {', '.join(kinds)}"


def _not_built(_: Mapping[str, Any], traced: Traced, __: str) -> str:
    if traced.path[-1:] != ("type",):
        return "is not built yet; leave it out for now"
    built = [kind for section in sections(SourceConfig) if (kind := kind_of(section)) and is_built(section)]
    return f"{traced.kind} is not built yet; use one of {', '.join(built)}"


def _choice(context: Mapping[str, Any], _: Traced, text: str) -> str:
    expected = str(context["expected"])
    return (
        f"must be {expected.replace(chr(39), '')}{like(text, re.findall(chr(39) + '([^' + chr(39) + ']+)', expected))}"
    )


def _length(context: Mapping[str, Any], _: Traced, __: str) -> str:
    few = "min_length" in context
    return f"needs {'at least' if few else 'at most'} {context['min_length' if few else 'max_length']} entries"


_SENTENCES: Mapping[str, Callable[[Mapping[str, Any], Traced, str], str]] = {
    "extra_forbidden": _unknown,
    "missing": _missing,
    "not_built": _not_built,
    "union_tag_invalid": _no_such_kind,
    "union_tag_not_found": _no_kind,
    "literal_error": _choice,
    "too_short": _length,
    "too_long": _length,
    "value_error": lambda context, _, __: str(context["error"]),
}
