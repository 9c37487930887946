"""config.example.yaml, made from the models: three lines that work, and every other key as a comment at its default.

Every other key can be set by removing the one `#` in front of it; all of them together load as well.
"""

from collections.abc import Iterator

from pydantic_core import PydanticUndefined

from edgecam.config import written
from edgecam.config.camera import Camera, Zone
from edgecam.config.fields import Section
from edgecam.config.model import Config
from edgecam.config.node import Mqtt, Token, User
from edgecam.config.shape import is_built, kind_of, sections
from edgecam.config.store import S3Store

WIDTH = 120
COLUMN = 40

_HEAD = """\
# edgecam: every key, its default and its meaning. The first lines are a whole configuration; the rest is commented out.
# To set a key, remove the # before it (that character alone) and the # before the sections that it stands in.
# `edgecam check` says what is wrong, `edgecam config reference` explains more.

cameras:
  birdbox:
    source: synthetic
    # Also: picamera2, v4l2:/dev/v4l/by-id/…, rtsp://…, http://… (MJPEG), file:clip.mp4, or a section with a type:
    #   {type: picamera2, size: 1280x720, fps: 15, rotate: 180, controls: {AfMode: 2}}
    #   {type: v4l2, device: /dev/v4l/by-id/…, size: 1280x720, fps: 15}
    #   {type: rtsp, url: "rtsp://…/main", detect_url: "rtsp://…/sub"}
    #   {type: mjpeg, url: "http://…", stall_timeout: 10s}
    #   {type: still, url: "http://…/snapshot.jpg", every: 5s}
    #   {type: file, path: clip.mp4, loop: true}
"""

_SHOWN: dict[tuple[type[Section], str], object] = {
    (Camera, "name"): "Birdbox",
    (Zone, "polygon"): [[0.2, 0.2], [0.8, 0.2], [0.8, 0.9]],
    (Mqtt, "username"): "edgecam",
    (Mqtt, "password"): "!secret mqtt_password",
    (S3Store, "bucket"): "birdbox",
    (S3Store, "endpoint"): "https://s3.example.org",
    (S3Store, "region"): "eu-north-1",
    (S3Store, "access_key"): "!secret s3_key",
    (S3Store, "secret_key"): "!secret s3_secret",
    (User, "password"): "!secret anna",
    (Token, "token"): "!secret wall_tablet",
    (Token, "cameras"): ["birdbox"],
}
"""What stands in the example where the default is nothing."""

_NAMES = {"users": "anna", "tokens": "wall_tablet", "zones": "feeder"}


def example() -> str:
    """The text of the file; it loads as it stands."""
    lines = [_HEAD]
    lines += _keys(Camera, 2, skip=("source",))
    for key, field in Config.model_fields.items():
        if key in ("cameras", "defaults") or not is_built(Config, key):
            continue
        inner = sections(field.annotation)
        lines.append("\n")
        lines += _block(Config, key, 0) if inner else [_option(Config, key, 0)]
    lines += ["\n", "# Sections of a camera that shall hold for all of them:\n", _commented("defaults:", 0)]
    lines.append(_commented("motion: {cooldown: 10s}", 1))
    return "".join(lines)


def _keys(section: type[Section], depth: int, skip: tuple[str, ...] = ()) -> Iterator[str]:
    for key, field in written.keys(section).items():
        if key in skip or not is_built(section, key):
            continue
        if key != "type" and sections(field.annotation) and field.default is not None:
            yield from _block(section, key, depth)
        else:
            yield _option(section, key, depth)


def _block(section: type[Section], key: str, depth: int) -> Iterator[str]:
    """A section below a key; of several kinds the first, and a word about the others."""
    field = section.model_fields[key]
    first, *others = sections(field.annotation)
    yield _commented(f"{key}:", depth, field.description or "")
    if key in _NAMES:
        depth += 1
        yield _commented(f"{_NAMES[key]}:", depth)
    yield from _keys(first, depth + 1)
    for other in others:
        keys = ", ".join(name for name in written.keys(other) if name != "type" and is_built(other, name))
        yield f"# {'  ' * depth}Or type {kind_of(other)} with {keys}.\n"


def _option(section: type[Section], key: str, depth: int) -> str:
    field = section.model_fields[key]
    standard = written.default(field)
    data = _SHOWN.get((section, key), standard)
    assert data is not PydanticUndefined, f"the example needs a value for {section.__name__}.{key}"
    meaning = field.description or ""
    if inner := sections(field.annotation):
        data, meaning = (False, f"{meaning.rstrip('.')}: {', '.join(inner[0].model_fields)}.")
    return _commented(f"{key}: {written.value(data)}", depth, meaning)


def _commented(text: str, depth: int, meaning: str = "") -> str:
    line = f"#{'  ' * depth}{text}"
    if len(meaning) > WIDTH - COLUMN:
        return f"# {'  ' * depth}{meaning}\n{line}\n"
    return f"{line.ljust(COLUMN)} # {meaning}\n" if meaning else f"{line}\n"
