"""What differs between two configurations, as key paths. Pure; no path holds a value, so no secret either."""

from collections.abc import Iterator, Mapping

from edgecam.config.fields import Section
from edgecam.config.model import Config
from edgecam.config.places import Path, dotted


def changes(old: Config, new: Config) -> tuple[str, ...]:
    """The keys whose value in force differs, as deep as both sides reach: `cameras.gate.motion.fps`.

    What one side alone has is named once, at its top: `cameras.gate`, `mqtt`. `defaults` show in the cameras.
    """
    return tuple(dotted(path) for path in _between(old, new, ()) if path[0] != "defaults")


def _between(old: object, new: object, path: Path) -> Iterator[Path]:
    one, other = _keys(old), _keys(new)
    if one is None or other is None or type(old) is not type(new):
        if old != new:
            yield path
        return
    if path and one.keys() == other.keys() and [*one] != [*other]:
        yield path  # the same in another order, in which cameras are shown
    for key in {**one, **other}:
        if key in one and key in other:
            yield from _between(one[key], other[key], (*path, key))
        else:
            yield (*path, key)


def _keys(value: object) -> Mapping[str, object] | None:
    """What lies below a section or a mapping of names; None for a value."""
    if isinstance(value, Section):
        return dict(value)
    return {str(key): below for key, below in value.items()} if isinstance(value, dict) else None
