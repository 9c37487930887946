"""What was seen: one line a check, as it is found."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from playwright import async_api as playwright


class Report:
    """Lines go to stdout at once; `missed` counts those that were not as they should be."""

    def __init__(self) -> None:
        self.missed = 0
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    def title(self, text: str) -> None:
        self.say(f"\n{text}")

    def check(self, what: str, fine: bool, note: object = "") -> None:
        self.missed += not fine
        told = " ".join(str(note).split())
        self.say(f"{'ok  ' if fine else 'MISS'} {what}{f' | {told[:300]}' if told else ''}")

    @contextmanager
    def step(self, what: str) -> Iterator[list[object]]:
        """A check that holds unless the body fails; what the body adds to the list is noted."""
        notes: list[object] = []
        try:
            yield notes
        except (AssertionError, OSError, playwright.Error) as error:
            self.check(what, False, error)
        else:
            self.check(what, True, ", ".join(map(str, notes)))
