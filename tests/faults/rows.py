"""Rows of the fault matrix: one fault before one server, and what must be true when it is over."""

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from peers import Azurite


@dataclass(frozen=True, slots=True)
class Trial:
    """Where, and how hard, a row is played."""

    folder: Path
    """The row's own, empty."""
    full: bool = False
    """With the product's own pauses and many files; else in the few seconds that a test may take."""
    seed: int = 0
    azurite: Azurite | None = None
    """One that is up already; it takes seconds to start."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a row that passed has to say: how many files went through it, and what was seen, in a few words."""

    files: int
    text: str


class Unable(Exception):
    """This machine cannot play the row; the text says why."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the matrix.

    `play` raises AssertionError, which says what is wrong, or Unable. It runs in a process of its own: what it holds
    must be picklable (functions of a module, `partial`; no lambda).
    """

    number: int
    fault: str
    server: str
    play: Callable[[Trial], Found]
    tested: bool = True
    """The tests play it as well; else the campaign alone does."""
    alone: bool = False
    """The campaign plays nothing beside it: it watches how evenly time passes."""

    @property
    def name(self) -> str:
        return f"{self.number} {self.fault}, {self.server}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a row. `passed` is None where this machine cannot play it."""

    row: int
    fault: str
    server: str
    files: int
    found: str
    passed: bool | None
    seconds: float


def play(row: Row, trial: Trial) -> Outcome:
    """Play it, whatever happens."""
    began = time.monotonic()
    passed: bool | None = True
    try:
        found = row.play(trial)
    except Unable as why:
        found, passed = Found(0, str(why)), None
    except Exception as error:
        words = str(error) or traceback.extract_tb(error.__traceback__)[-1].line
        found, passed = Found(0, f"{type(error).__name__}: {words}"), False
    return Outcome(row.number, row.fault, row.server, found.files, found.text, passed, time.monotonic() - began)
