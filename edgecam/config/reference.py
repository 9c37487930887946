"""What the configuration may hold, made from the models: JSON Schema for editors, Markdown for people.

Also the place where the commands find `effective` and `example`.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import get_origin

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from edgecam.config import written
from edgecam.config.effective import effective
from edgecam.config.example import example
from edgecam.config.fields import RESERVED, Section
from edgecam.config.model import Config, Defaults
from edgecam.config.shape import is_built, kind_of, sections

__all__ = ["effective", "example", "reference", "schema"]

_INTRODUCTION = f"""# Configuration

*Made from the code by `make generate`; `edgecam config reference` prints it.*

One YAML file, never rewritten by edgecam: `edgecam run -c FILE`, else `/etc/edgecam/config.yaml`, else
`./config.yaml`. `edgecam check` says all that is wrong with it, `edgecam config effective` shows what applies and
where it was set. Three lines are a whole configuration:

```yaml
cameras:
  birdbox:
    source: synthetic
```

**Values.** Durations `500ms 10s 5m 1h 14d forever`, sizes `500kB 8GB 16MiB`, rates `500kB/s 2Mbit/s`, percentages
`0.3%`, pictures `1280x720`, polygons `[[x, y], …]` in 0..1 from the top left. Text stays what was typed: `on`, `010`
and `12:30` are no numbers and no switches where text is wanted. Times of day are local.

**Schedules.** When something is open: `{{"mon-fri": ["10:00-12:30", "14:00-20:00"], sat: "22:00-06:00"}}`. Days are
`mon tue wed thu fri sat sun`, ranges (`sat-mon`), lists (`"tue,thu"`) and `daily`. A span that crosses midnight belongs
to the day on which it begins. What is not named is closed.

**Tags.** `!secret name` takes a value from `secrets.yaml` beside the file, `!env_var NAME [default]` one from the
environment, `!file path` the first line of a file (a systemd credential, or relative to this file; a secret is read
anew when the file changes), `!include file` another YAML file, `!include_dir_named folder` one for each file in a
folder, by its name.

**From outside.** Any key can be set by a variable (`EDGECAM__CAMERAS__BIRDBOX__MOTION__SENSITIVITY=70`) or on the
command line (`--set cameras.birdbox.motion.sensitivity=70`). The order: a setting made over MQTT or HTTP, `--set`,
environment, file, defaults. Such a setting survives a restart and wins until the value that it was set against is
another one; `GET /api/cameras/birdbox/settings` lists them with their limits, `PATCH` changes them, `null` takes one
back.

**Names.** A node is 1 to 32 of `a-z 0-9 -`, a camera, zone or mask 1 to 32 of `a-z 0-9 _` without two `_` in a row.
Not {", ".join(f"`{name}`" for name in RESERVED[:-1])} or `{RESERVED[-1]}`: these are MQTT
topics.

**Defaults for all cameras.** Every section of a camera may also stand once under `defaults:`; the camera's own keys
win.

Keys marked *not yet* belong to the plan, and `edgecam check` refuses them.
"""

_NAMED = {"cameras": "<id>", "zones": "<id>", "users": "<name>", "tokens": "<name>", "push": "<name>"}


def schema() -> dict[str, object]:
    """JSON Schema (2020-12) of the file. `!secret` and its like want `customTags` in the editor's settings."""
    made = Config.model_json_schema()
    for section in _everything(Config):
        properties = (made if section is Config else made["$defs"][section.__name__])["properties"]
        for key, field in section.model_fields.items():
            properties[key].pop("title", None)
            if "default" in properties[key]:
                properties[key]["default"] = written.default(field)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made, "title": "edgecam configuration"}


def _everything(section: type[Section]) -> Iterator[type[Section]]:
    """The section and all below it, each once."""
    seen: dict[type[Section], None] = {}
    rest = [section]
    while rest:
        here = rest.pop()
        if here not in seen:
            seen[here] = None
            rest += [below for field in here.model_fields.values() for below in sections(field.annotation)]
    return iter(seen)


def reference() -> str:
    """Every key with what it takes, its default and its meaning, as Markdown."""
    return _INTRODUCTION + "".join(_chapter(Config, ""))


def _chapter(section: type[Section], path: str) -> Iterator[str]:
    """The table of one section, then those below it."""
    yield _heading(path)
    yield f"{written.title(section)}\n\n"
    yield from _table(section, written.keys(section))
    yield from _below(section, path, written.keys(section))


def _heading(path: str, kind: str | None = None) -> str:
    words = f"`{path}`" if path else "The whole file"
    return f"\n{'##' if path.count('.') < 1 else '###'} {words}{f' with `type: {kind}`' if kind else ''}\n\n"


def _below(section: type[Section], path: str, keys: Iterable[str]) -> Iterator[str]:
    for key in keys:
        field = section.model_fields[key]
        inner = sections(field.annotation)
        here = f"{path}.{key}".lstrip(".")
        if inner and get_origin(field.annotation) is dict:
            here += f".{_NAMED[key]}"
        if len(inner) > 1:
            yield from _choice(inner, here)
        elif inner and inner[0] is not Defaults:
            yield from _chapter(inner[0], here)


def _choice(kinds: Sequence[type[Section]], path: str) -> Iterator[str]:
    """What sections of several types have in common, then what each adds."""
    common = next(parent for parent in kinds[0].__mro__[1:] if all(issubclass(kind, parent) for kind in kinds))
    assert issubclass(common, Section)
    yield _heading(path)
    yield f"{written.title(common)} `type` is one of {', '.join(f'`{kind_of(kind)}`' for kind in kinds)}.\n\n"
    yield from _table(common, written.keys(common))
    for kind in kinds:
        own = [key for key in written.keys(kind) if key not in common.model_fields]
        yield _heading(path, kind_of(kind))
        yield written.title(kind) + ("" if is_built(kind) else " *Not yet.*") + "\n\n"
        yield from _table(kind, own)
        yield from _below(kind, path, own)


def _table(section: type[Section], keys: Iterable[str]) -> Iterator[str]:
    yield "| key | takes | default | meaning |\n|---|---|---|---|\n"
    for key in keys:
        field = section.model_fields[key]
        late = "" if key == "type" or is_built(section, key) else "*not yet:* "
        cells = (f"`{key}`", written.takes(field), _default(field), f"{late}{field.description}")
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _default(field: FieldInfo) -> str:
    shown = written.default(field)
    if shown is PydanticUndefined or written.takes(field) == shown:  # a `type` of its own
        return "required"
    return "" if isinstance(field.default, Section) else f"`{written.value(shown)}`"
