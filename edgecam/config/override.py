"""Keys set from outside the file: `EDGECAM__MQTT__HOST=broker` and `--set mqtt.host=broker`.

The text means what it would mean in the file; `[…]` and `{…}` are YAML's lists and sections.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path as FilePath

from edgecam.config.document import Reader
from edgecam.config.places import Branch, Entry, Leaf, Path, Problem, Spot, Tree, dotted, find, placed
from edgecam.config.source import expand

PREFIX = "EDGECAM__"


def _settings(environ: Mapping[str, str], overrides: Sequence[str]) -> Iterator[tuple[Spot, list[str], str | None]]:
    """Place, path and text of each, in the order in which they win; None: there is no `=`."""
    names = sorted((name for name in environ if name.startswith(PREFIX)), key=lambda name: (name.count("__"), name))
    for name in names:
        yield Spot(name), name.removeprefix(PREFIX).lower().split("__"), environ[name]
    for override in overrides:
        key, equals, text = override.partition("=")
        yield Spot("--set"), key.strip().split("."), text if equals else None


def overridden(tree: Branch, reader: Reader, environ: Mapping[str, str], overrides: Sequence[str]) -> Branch:
    """The tree with everything that the environment and the command line set."""
    for spot, keys, text in _settings(environ, overrides):
        if text is None or not all(keys):
            wanted = "must be EDGECAM__SECTION__KEY=value" if spot.file != "--set" else "must be section.key=value"
            reader.problems.append(Problem(spot, "", wanted))
            continue
        path = tuple(_spelled(tree, keys)) if spot.file != "--set" else tuple(keys)
        try:
            tree = placed(_opened(tree, path), path, Entry(spot, _value(text, spot, reader)))
        except ValueError as error:
            reader.problems.append(Problem(spot, dotted(path), str(error)))
    return tree


def _spelled(tree: Tree, keys: list[str]) -> Iterator[str]:
    """Variables are upper case; keys of the file may have any."""
    for key in keys:
        entries = tree.entries if isinstance(tree, Branch) else {}
        own = key if key in entries else next((name for name in entries if name.lower() == key), key)
        yield own
        tree = entries[own].value if own in entries else Leaf(None, tree.spot)


def _value(text: str, spot: Spot, reader: Reader) -> Tree:
    if not text.lstrip().startswith(("[", "{")):
        return Leaf(None if text in ("", "~", "null") else text, spot)
    aside = Reader({})
    tree = aside.parse(text, spot.file, FilePath())
    if aside.problems:  # a password may begin with a bracket
        return Leaf(text, spot)
    return _at(tree, spot)


def _at(tree: Tree, spot: Spot) -> Tree:
    """The same tree, all of it standing at `spot`: lines and columns within a variable help nobody."""
    if isinstance(tree, Branch):
        return Branch({key: Entry(spot, _at(entry.value, spot)) for key, entry in tree.entries.items()}, spot)
    if isinstance(tree, Leaf):
        return Leaf(tree.value, spot)
    return type(tree)(tuple(_at(value, spot) for value in tree.values), spot)


def _opened(tree: Branch, path: Path) -> Branch:
    """`source: synthetic` as a section, when one of its keys is to be set."""
    sources = [depth for depth, step in enumerate(path[:-1]) if step == "source"]
    at = path[: sources[-1] + 1] if sources else ()
    found, depth = find(tree, at)
    leaf = found.value
    if not at or depth < len(at) or not isinstance(leaf, Leaf):
        return tree
    long = expand(leaf.value)
    if not isinstance(long, dict):
        return tree
    entries = {key: Entry(leaf.spot, replace(leaf, value=text)) for key, text in long.items()}
    return placed(tree, at, Entry(found.key, Branch(entries, leaf.spot)))
