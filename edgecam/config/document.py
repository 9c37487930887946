"""A YAML file with its places: text as typed, Home Assistant's tags, no surprises of YAML 1.1.

Everything stays the text that was typed; what a key wants decides what it means (`on` is text where text is wanted).
Duplicate keys, unknown tags and alias bombs are problems; all that can be found is collected, nothing is raised.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

import yaml

from edgecam.config.places import Branch, Entry, Items, Leaf, Problem, Spot, Tree, dotted
from edgecam.config.secret import FromFile, first_line

LARGEST_FILE = 1_000_000
LARGEST_TREE = 20_000
"""Values in all, aliases counted each time they are used."""

_BEGINS = ("could not find expected ':'", "end of stream", "got '<stream end>'", "scanning a tag")
"""What is better told at the place where it begins than where the parser stumbles."""

DEEPEST_INCLUDE = 20

_NULL = ("", "~", "null", "Null", "NULL")
_CORE = "tag:yaml.org,2002:"
_TAGS = "!secret, !env_var, !file, !include and !include_dir_named"
_UNKNOWN_TAG = f"unknown tag; known are {_TAGS}; a value that begins with ! needs quotes"

_GLUED = re.compile(r"\s*[\w-]+:(?=\S)")
"""A key whose colon is followed by its value at once: YAML reads on, and stumbles in the next line."""

_SYNTAX = (
    ("could not find expected ':'", "this line is no `key: value`; is the space after the colon missing, or a quote?"),
    ("mapping values are not allowed here", "no ':' may stand here; is the line indented too far, or needs it quotes?"),
    ("expected <block end>", "does not fit in here; indent it as the lines around it, and look for an open quote"),
    ("expected <document start>", "does not fit in here; the whole file is one mapping of sections"),
    ("got '<stream end>'", "a quote or bracket that opens here is never closed"),
    ("expected ',' or", "a comma or a closing bracket is missing here"),
    ("found unexpected end of stream", "a quote or bracket that opens here is never closed"),
    ("found undefined alias", "no such anchor; a value that begins with * needs quotes"),
    ("found duplicate anchor", "this anchor is there already; a value that begins with & needs quotes"),
    ("found undefined tag handle", _UNKNOWN_TAG),
    ("scanning a tag", _UNKNOWN_TAG),
    ("but found another document", "a second document begins here; the configuration is one"),
    ("cannot start any token", "a value cannot begin with this character; it needs quotes"),
)


class Reader:
    """Reads one configuration with all that it includes. `problems` and `files` grow with every file read."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.problems: list[Problem] = []
        self.files: list[Path] = []
        self._environ = environ
        self._open: list[Path] = []
        self._secrets: dict[Path, Branch | None] = {}
        self._scalars: Mapping[str, Callable[[str, Spot, Path], Tree]] = {
            "!secret": self._secret,
            "!env_var": self._env_var,
            "!file": self._file,
            "!include": self._include,
            "!include_dir_named": self._include_dir_named,
        }

    def read(self, path: Path, asked: Spot | None = None) -> Tree:
        """The tree of one file; `asked` is where it was included from."""
        spot = asked or Spot(str(path))
        if path.absolute() in self._open or len(self._open) > DEEPEST_INCLUDE:
            return self._broken(spot, "this file includes itself")
        try:
            with path.open("rb") as file:
                raw = file.read(LARGEST_FILE + 1)
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            before = raw[: error.start]
            column = len(before.rpartition(b"\n")[2].decode(errors="replace")) + 1
            return self._broken(Spot(str(path), before.count(b"\n") + 1, column), "is not UTF-8 from here on")
        except OSError as error:
            return self._broken(spot, f"cannot read {path}: {error.strerror}")
        if len(raw) > LARGEST_FILE:
            return self._broken(spot, f"{path} is larger than 1 MB: not a configuration")
        self.files.append(path)
        self._open.append(path.absolute())
        try:
            return self.parse(text, str(path), path)
        finally:
            self._open.pop()

    def parse(self, text: str, name: str, path: Path) -> Tree:
        """The tree of a text; `name` is for its places, `path` is what its tags are relative to."""
        try:
            node = yaml.compose(text, yaml.BaseLoader)
        except yaml.MarkedYAMLError as error:
            return self._syntax(error, text, name)
        except yaml.reader.ReaderError as error:
            return self._unprintable(error, text, name)
        except RecursionError:
            return self._broken(Spot(name), "is nested too deeply")
        if node is None:
            return Branch({}, Spot(name, 1, 1))
        return _Builder(self, name, path).build(node)

    def _broken(self, spot: Spot, message: str) -> Leaf:
        self.problems.append(Problem(spot, "", message))
        return Leaf("", spot, broken=True)

    def _syntax(self, error: yaml.MarkedYAMLError, text: str, name: str) -> Leaf:
        """PyYAML's own messages and snippets may quote a secret: only its places are used, and words of ours."""
        problem = f"{error.context} {error.problem}"
        message = next((words for sign, words in _SYNTAX if sign in problem), "is not valid YAML from here on")
        begins = any(sign in problem for sign in _BEGINS)
        mark = (error.context_mark if begins else None) or error.problem_mark
        assert mark is not None  # every error of PyYAML's scanner, parser and composer has one
        lines = text.split("\n")
        line = "".join(lines[mark.line : mark.line + 1])
        if (tab := re.match(r" *\t", line)) or "'\\t'" in problem:
            column = tab.end() if tab else mark.column + 1
            return self._broken(Spot(name, mark.line + 1, column), "a tab; YAML is indented with spaces only")
        before = _GLUED.match(lines[mark.line - 1]) if 0 < mark.line < len(lines) else None
        if "mapping values" in problem and before:
            return self._broken(Spot(name, mark.line, before.end()), "a space is missing after this colon")
        return self._broken(Spot(name, mark.line + 1, mark.column + 1), message)

    def _unprintable(self, error: yaml.reader.ReaderError, text: str, name: str) -> Leaf:
        before = text[: error.position]
        spot = Spot(name, before.count("\n") + 1, len(before.rpartition("\n")[2]) + 1)
        return self._broken(spot, "a character that YAML does not allow (a control character?)")

    def scalar(self, tag: str, value: str, spot: Spot, path: Path) -> Tree:
        """What a tag makes of its text."""
        if tag not in self._scalars:
            return self._broken(spot, _UNKNOWN_TAG)
        if not value.strip():
            return self._broken(spot, f"{tag} needs a name after it")
        return self._scalars[tag](value.strip(), spot, path)

    def _secret(self, name: str, spot: Spot, path: Path) -> Tree:
        places = dict.fromkeys(place.parent / "secrets.yaml" for place in (path, *self.files[:1]))
        known: set[str] = set()
        for place in places:
            secrets = self._secrets_of(place)
            if secrets and name in secrets.entries:
                leaf = secrets.entries[name].value
                if isinstance(leaf, Leaf) and (leaf.value or leaf.broken):
                    return replace(leaf, spot=spot, hidden=True, tagged=True)
                return self._broken(spot, f"the secret {name} in {place} is empty or no text")
            known |= set(secrets.entries if secrets else ())
        if not any(self._secrets.values()):
            return self._broken(spot, f"the secret {name} needs a file {next(iter(places))} with `{name}: value`")
        return self._broken(spot, f"there is no secret {name} in {' or '.join(map(str, places))}{like(name, known)}")

    def _secrets_of(self, place: Path) -> Branch | None:
        if place not in self._secrets:
            self._secrets[place] = None  # a !secret in secrets.yaml itself finds nothing
            tree = self.read(place) if _there(place) else None
            self._secrets[place] = tree if isinstance(tree, Branch) else None
        return self._secrets[place]

    def _env_var(self, text: str, spot: Spot, _: Path) -> Tree:
        name, *default = text.split(maxsplit=1)
        value = self._environ.get(name) or "".join(default)
        if not value:
            return self._broken(spot, f"the environment variable {name} is not set, and there is no default")
        return Leaf(value, spot, tagged=True)

    def _file(self, text: str, spot: Spot, path: Path) -> Tree:
        folders = [path.parent]
        if credentials := self._environ.get("CREDENTIALS_DIRECTORY"):
            folders.insert(0, Path(credentials))
        candidates = [folder / Path(text).expanduser() for folder in folders]
        file = next((file for file in candidates if _there(file)), candidates[-1])
        try:
            return Leaf(FromFile(first_line(file), file), spot, hidden=True, tagged=True)
        except OSError as error:
            return self._broken(spot, f"cannot read {file}: {error.strerror}")
        except ValueError:
            return self._broken(spot, f"the first line of {file} is empty or not UTF-8 text")

    def _include(self, text: str, spot: Spot, path: Path) -> Tree:
        return self.read(path.parent / Path(text).expanduser(), spot)

    def _include_dir_named(self, text: str, spot: Spot, path: Path) -> Tree:
        folder = path.parent / Path(text).expanduser()
        if not folder.is_dir():
            return self._broken(spot, f"{folder} is not a folder")
        files = (file for file in sorted(folder.rglob("*.yaml")) if file.name != "secrets.yaml")
        entries = {
            file.stem: Entry(Spot(str(file), 1, 1), self.read(file, spot))
            for file in files
            if not any(part.startswith(".") for part in file.relative_to(folder).parts)
        }
        return Branch(entries, spot)


class _Builder:
    """Turns the nodes of one file into a tree. Shared nodes (aliases) are built once and weighed each time."""

    def __init__(self, reader: Reader, name: str, path: Path) -> None:
        self._reader, self._name, self._path = reader, name, path
        self._built: dict[int, Tree] = {}
        self._within: set[int] = set()

    def _spot(self, node: yaml.Node) -> Spot:
        return Spot(self._name, node.start_mark.line + 1, node.start_mark.column + 1)

    def _problem(self, spot: Spot, message: str) -> Leaf:
        self._reader.problems.append(Problem(spot, "", message))
        return Leaf("", spot, broken=True)

    def build(self, node: yaml.Node) -> Tree:
        if id(node) in self._within:
            return self._problem(self._spot(node), "an alias here contains itself")
        if id(node) not in self._built:
            self._within.add(id(node))
            tree = self._make(node)
            self._within.remove(id(node))
            if tree.weight > LARGEST_TREE:
                tree = self._problem(self._spot(node), f"has more than {LARGEST_TREE} values, counting its aliases")
            self._built[id(node)] = tree
        return self._built[id(node)]

    def _make(self, node: yaml.Node) -> Tree:
        spot, own = self._spot(node), not node.tag.startswith(_CORE)
        if isinstance(node, yaml.ScalarNode):
            if own:
                return self._reader.scalar(node.tag, node.value, spot, self._path)
            return Leaf(None if node.style is None and node.value in _NULL else node.value, spot)
        if own:
            return self._problem(spot, f"a tag cannot stand before a list or a section; known are {_TAGS}")
        if isinstance(node, yaml.SequenceNode):
            return Items(tuple(self.build(item) for item in node.value), spot)
        return self._mapping(node, spot)

    def _mapping(self, node: yaml.Node, spot: Spot) -> Branch:
        entries: dict[str, Entry] = {}
        below: dict[str, Entry] = {}
        for key, value in node.value:
            place = self._spot(key)
            if not isinstance(key, yaml.ScalarNode):
                self._problem(place, "a key must be text")
            elif key.value == "<<" and key.style is None:
                below = {**self._merge(value), **below}
            elif key.value in entries:
                first = entries[key.value].key
                self._problem(place, f"{dotted((key.value,))} is set twice; the first is in line {first.line}")
            else:
                entries[key.value] = Entry(place, self.build(value))
        return Branch({**below, **entries}, spot)

    def _merge(self, node: yaml.Node) -> dict[str, Entry]:
        """What `<<` brings: of several sections the earlier wins."""
        tree, found = self.build(node), dict[str, Entry]()
        for part in tree.values if isinstance(tree, Items) else (tree,):
            if isinstance(part, Branch):
                found = {**part.entries, **found}
            elif not (isinstance(part, Leaf) and part.broken):
                self._problem(self._spot(node), "<< takes a section or a list of sections")
        return found


def _there(path: Path) -> bool:
    """Whether it exists; what may not be looked at does not."""
    try:
        return path.exists()
    except OSError:
        return False


def like(word: str, known: Iterable[str]) -> str:
    """` (did you mean 'x'?)`, or nothing."""
    near = get_close_matches(word, sorted(known), n=1, cutoff=0.6)
    return f" (did you mean {near[0]!r}?)" if near else ""
