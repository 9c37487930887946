"""The configuration that applies, secrets redacted: as YAML that says where each key was set, or as plain data."""

from collections.abc import Iterator, Mapping

from edgecam.config import written
from edgecam.config.explain import located
from edgecam.config.fields import Section
from edgecam.config.load import Loaded
from edgecam.config.places import Branch, Items, Leaf, Path, Spot, Tree, find
from edgecam.config.secret import REDACTED

COLUMN = 44
"""Where the marks stand."""


def effective(loaded: Loaded, settings: Mapping[Path, str] | None = None) -> str:
    """Every key with the value that the file and what overrides it give; `# config.yaml:14:7, default 10s` marks what
    differs, and the mark of a key in `settings` tells that a live setting wins over it.
    """
    return "".join(_section(loaded, loaded.config, (), settings or {}))


def data(loaded: Loaded) -> dict[str, object]:
    """Every key with the value that the file and what overrides it give, as it would be written; plain JSON data."""
    return _data(loaded, loaded.config, ())


def _data(loaded: Loaded, section: Section, path: Path) -> dict[str, object]:
    shown = section.model_dump(mode="json")
    found: dict[str, object] = {}
    for key in written.keys(type(section)):
        here, inner = (*path, key), getattr(section, key)
        if here == ("defaults",):  # they show in every camera
            continue
        if isinstance(inner, Section):
            found[key] = _data(loaded, inner, here)
        elif _holds_sections(inner):
            found[key] = {name: _data(loaded, item, (*here, name)) for name, item in inner.items()}
        else:
            found[key] = REDACTED if _origin(loaded, here)[1] else shown[key]
    return found


def _section(loaded: Loaded, section: Section, path: Path, settings: Mapping[Path, str]) -> Iterator[str]:
    shown = section.model_dump(mode="json")
    for key, field in written.keys(type(section)).items():
        here = (*path, key)
        if here == ("defaults",):  # they show in every camera
            continue
        inner = getattr(section, key)
        if isinstance(inner, Section):
            yield f"{'  ' * len(path)}{key}:\n"
            yield from _section(loaded, inner, here, settings)
        elif _holds_sections(inner):
            yield f"{'  ' * len(path)}{key}:\n"
            for name, item in inner.items():
                yield f"{'  ' * len(here)}{written.value(name)}:\n"
                yield from _section(loaded, item, (*here, name), settings)
        else:
            standard = written.default(field)
            yield _line(loaded, here, shown[key], standard, settings.get(here))


def _holds_sections(value: object) -> bool:
    return isinstance(value, dict) and any(isinstance(item, Section) for item in value.values())


def _line(loaded: Loaded, path: Path, data: object, standard: object, setting: str | None) -> str:
    spot, hidden = _origin(loaded, path)
    text = f"{'  ' * (len(path) - 1)}{path[-1]}: {written.value(REDACTED if hidden else data)}"
    if data == standard:
        return f"{text.ljust(COLUMN)} # {setting}\n" if setting else text + "\n"
    default = f"default {written.value(standard)}" if isinstance(standard, str | int | float | list | dict) else ""
    default = "default null" if standard is None else default
    mark = ", ".join(part for part in (str(spot) if spot else "made by edgecam", default, setting) if part)
    return f"{text.ljust(COLUMN)} # {mark}\n"


def _origin(loaded: Loaded, path: Path) -> tuple[Spot | None, bool]:
    """Where a key was set (None: nowhere), and whether a secret may be in it."""
    path, entry = located(loaded.tree, path)
    short = isinstance(entry.value, Leaf) and path[-2:-1] == ("source",)
    if find(loaded.tree, path)[1] < len(path) and not short:
        return None, False
    return (entry.value.spot if isinstance(entry.value, Leaf) else entry.key), _hides(entry.value)


def _hides(tree: Tree) -> bool:
    if isinstance(tree, Branch):
        return any(_hides(entry.value) for entry in tree.entries.values())
    return any(map(_hides, tree.values)) if isinstance(tree, Items) else tree.hidden
