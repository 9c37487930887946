"""Ranking: names in the order of their ranks, while names come, go and change their rank at any moment. Pure."""

import heapq

Rank = tuple[float, ...]

SLACK = 64
"""Entries that are not true any more and may lie in the heap, beside as many as there are names."""


class Ranking:
    """A heap in which what is gone stays until it comes up: nothing costs more than the logarithm of what is there.

    Equal ranks go in the order of their names.
    """

    def __init__(self) -> None:
        self._ranks: dict[str, Rank] = {}
        self._heap: list[tuple[Rank, str]] = []

    def __contains__(self, name: object) -> bool:
        return name in self._ranks

    def put(self, name: str, rank: Rank) -> None:
        """It is there, with this rank instead of any other."""
        if self._ranks.get(name) != rank:
            self._ranks[name] = rank
            heapq.heappush(self._heap, (rank, name))
            self._sweep()

    def drop(self, name: str) -> None:
        """It is not there any more, or never was."""
        self._ranks.pop(name, None)
        self._sweep()

    def first(self) -> str | None:
        """The name of the lowest rank."""
        while self._heap:
            rank, name = self._heap[0]
            if self._ranks.get(name) == rank:
                return name
            heapq.heappop(self._heap)
        return None

    def _sweep(self) -> None:
        if len(self._heap) > 2 * len(self._ranks) + SLACK:
            self._heap = [(rank, name) for name, rank in self._ranks.items()]
            heapq.heapify(self._heap)
