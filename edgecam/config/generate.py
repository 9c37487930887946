"""Writes the files that are made from the models: `python -m edgecam.config.generate [--check]`."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgecam.config import reference

ROOT = Path(__file__).parents[2]


def made() -> Mapping[str, str]:
    """Every generated file, below the root of the source tree, and its text."""
    return {"config.example.yaml": reference.example(), "docs/configuration.md": reference.reference()}


def stale(root: Path) -> list[str]:
    """The names of those that differ from what the code says."""
    return [name for name, text in made().items() if not (root / name).exists() or (root / name).read_text() != text]


def main(argv: Sequence[str], root: Path = ROOT) -> int:
    """Write what is stale; with --check only say so and return 1."""
    old = stale(root)
    if "--check" in argv:
        sys.stderr.write("".join(f"{name} is stale: run `make generate`\n" for name in old))
        return 1 if old else 0
    for name in old:
        (root / name).write_text(made()[name])
        sys.stderr.write(f"{name} written\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
