"""Loading: a file, what it includes, the environment and the command line become one Config, or all that is wrong.

Reads the files that are named and nothing else: no network, no camera, no other disk. Nothing here prints a value.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath

from pydantic import ValidationError

from edgecam.config import explain, rules
from edgecam.config.document import Reader
from edgecam.config.fields import Section
from edgecam.config.model import Config
from edgecam.config.override import overridden
from edgecam.config.places import Branch, ConfigErrors, Leaf, Path, Problem, Spot, Tree, dotted, find, keyed, plain
from edgecam.config.secret import Secret, Url

__all__ = ["ConfigErrors", "Loaded", "Problem", "load"]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A valid configuration and what is worth knowing about it."""

    config: Config
    warnings: tuple[Problem, ...]
    files: tuple[FilePath, ...]
    """Every file that was read, the main one first."""
    tree: Branch
    """Where each key was set."""


def load(path: FilePath, *, environ: Mapping[str, str], overrides: Sequence[str] = ()) -> Loaded:
    """Read and validate. Raises ConfigErrors with everything that is wrong."""
    reader = Reader(environ)
    tree: Tree = reader.read(path)
    if not isinstance(tree, Branch):
        if not (isinstance(tree, Leaf) and tree.broken):
            reader.problems.append(Problem(tree.spot, "", "must be sections such as `cameras:`"))
        raise ConfigErrors(reader.problems)
    tree = overridden(tree, reader, environ, overrides)
    try:
        config = Config.model_validate(plain(tree))
    except RecursionError:  # aliases of deep lists in deep lists
        raise ConfigErrors([Problem(Spot(str(path)), "", "is nested too deeply")]) from None
    except ValidationError as error:
        found = explain.problems(error.errors(include_input=False, include_url=False), tree)
        raise ConfigErrors([*keyed(reader.problems, tree), *found]) from None
    found = [explain.at(tree, place, message) for place, message in rules.conflicts(config)]
    if reader.problems or found:
        raise ConfigErrors([*keyed(reader.problems, tree), *found])
    doubts = [explain.at(tree, place, message) for place, message in rules.doubts(config)]
    return Loaded(config, (*doubts, *_readable(config, tree)), tuple(reader.files), tree)


def _readable(config: Config, tree: Tree) -> Iterator[Problem]:
    """A warning for each file with a secret of its own that others on this machine may read."""
    told: set[str] = set()
    for path in _secret_paths(config):
        leaf = find(tree, path)[0].value
        if not isinstance(leaf, Leaf) or leaf.tagged or not leaf.spot.line or leaf.spot.file in told:
            continue
        told.add(leaf.spot.file)
        if FilePath(leaf.spot.file).stat().st_mode & 0o044:
            cure = f"use !secret, or `chmod 600 {leaf.spot.file}`"
            yield Problem(leaf.spot, dotted(path), f"is a secret in a file that others here can read; {cure}")


def _secret_paths(value: object, path: Path = ()) -> Iterator[Path]:
    if isinstance(value, Secret) or (isinstance(value, Url) and any(value.secrets())):
        yield path
    elif isinstance(value, Section):
        yield from _secret_paths(dict(value), path)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _secret_paths(item, (*path, key))
