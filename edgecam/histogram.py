"""Histogram: how many of some numbers were how large, as Prometheus wants it. Pure."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence


class Histogram:
    """Counts numbers into buckets; each bucket takes what is at most its edge."""

    def __init__(self, edges: Sequence[float]) -> None:
        self._edges = edges
        self._counts = [0] * (len(edges) + 1)
        self.sum = 0.0

    def add(self, number: float) -> None:
        self._counts[bisect_left(self._edges, number)] += 1
        self.sum += number

    @property
    def count(self) -> int:
        return sum(self._counts)

    def buckets(self) -> Iterator[tuple[float, int]]:
        """Each edge, and how many numbers were not larger."""
        found = 0
        for edge, count in zip(self._edges, self._counts, strict=False):
            found += count
            yield edge, found
