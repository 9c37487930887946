"""Places: where in which file every value stands, and what is wrong there.

A `Tree` is the file as written, one `Spot` for every key and value. Trees never change; `placed` makes a new one.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

Step = str | int
Path = tuple[Step, ...]
"""Keys and indices from the root: `("cameras", "birdbox", "source")`."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in a file, counted from 1; without a line for the environment and the command line."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Leaf:
    """One value as text; None is YAML's null.

    `hidden`: `!secret` or `!file` brought it. `broken`: it could not be read, which has been said already.
    """

    value: str | None
    spot: Spot
    hidden: bool = False
    tagged: bool = False
    broken: bool = False
    weight: int = 1


class Entry(NamedTuple):
    """A key's own place, and its value."""

    key: Spot
    value: "Tree"


@dataclass(frozen=True, slots=True)
class Branch:
    """A mapping."""

    entries: Mapping[str, Entry]
    spot: Spot
    weight: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", 1 + sum(entry.value.weight for entry in self.entries.values()))


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    values: tuple["Tree", ...]
    spot: Spot
    weight: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", 1 + sum(value.weight for value in self.values))


Tree = Leaf | Branch | Items


def plain(tree: Tree) -> object:
    """The data alone: dicts, lists, text and None."""
    if isinstance(tree, Branch):
        return {key: plain(entry.value) for key, entry in tree.entries.items()}
    return [plain(value) for value in tree.values] if isinstance(tree, Items) else tree.value


def step_into(tree: Tree, step: Step) -> Entry | None:
    """What lies one step below; the elements of a list are their own keys."""
    if isinstance(tree, Branch):
        return tree.entries.get(str(step))
    if isinstance(tree, Items) and isinstance(step, int) and step < len(tree.values):
        return Entry(tree.values[step].spot, tree.values[step])
    return None


def find(tree: Tree, path: Path) -> tuple[Entry, int]:
    """The deepest entry on the way along `path`, and how many steps were possible."""
    found = Entry(tree.spot, tree)
    for depth, step in enumerate(path):
        below = step_into(found.value, step)
        if below is None:
            return found, depth
        found = below
    return found, len(path)


def placed(tree: Branch, path: Path, entry: Entry) -> Branch:
    """A tree with `entry` at `path`; what is missing on the way is made. ValueError: a value is in the way."""
    key, below = str(path[0]), entry.value
    if len(path) > 1:
        under = tree.entries[key].value if key in tree.entries else Branch({}, entry.key)
        if isinstance(under, Leaf) and under.value in (None, "true", "false"):
            under = Branch({}, entry.key)
        if not isinstance(under, Branch):
            raise ValueError(f"{key} is not a section, so nothing can be set below it")
        below = placed(under, path[1:], entry)
    own = entry.key if len(path) == 1 or key not in tree.entries else tree.entries[key].key
    return Branch({**tree.entries, key: Entry(own, below)}, tree.spot)


def dotted(path: Path) -> str:
    """`http.listen[0]`; a key with other characters than names have is cut: it may be a value on the wrong line."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            name = step if step.replace("_", "").replace("-", "").isalnum() and len(step) <= 64 else "…"
            text += f".{name}" if text else name
    return text


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that a person must change, or should know. Never holds a value."""

    spot: Spot
    key: str
    message: str

    @property
    def file(self) -> str:
        return self.spot.file

    @property
    def line(self) -> int:
        return self.spot.line

    @property
    def column(self) -> int:
        return self.spot.column

    def __str__(self) -> str:
        return ": ".join(part for part in (str(self.spot), self.key, self.message) if part)


def keyed(problems: Iterable[Problem], tree: Tree) -> Iterator[Problem]:
    """The problems, each with the key that stands at its place, where it names none itself."""
    keys: dict[Spot, str] = {}
    rest: list[tuple[Path, Tree]] = [((), tree)]
    while rest:
        path, below = rest.pop()
        keys.setdefault(below.spot, dotted(path))
        if isinstance(below, Branch):
            rest += [((*path, key), entry.value) for key, entry in below.entries.items()]
        elif isinstance(below, Items):
            rest += [((*path, index), value) for index, value in enumerate(below.values)]
    for problem in problems:
        yield (problem if problem.key else replace(problem, key=keys.get(problem.spot, "")))


class ConfigErrors(Exception):
    """All that is wrong with a configuration, one problem for each key; `str` has a line for each."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        unique = {(problem.spot, problem.key or problem.message): problem for problem in reversed(list(problems))}
        self.problems = sorted(unique.values(), key=lambda problem: (problem.file, problem.line, problem.column))
        super().__init__("\n".join(map(str, self.problems)))
