"""Sieve: lets whole JPEGs of a sane size through. A camera is a stranger; one bad picture is no reason to leave it."""

import logging

from edgecam import jpeg
from edgecam.sources import Broken

log = logging.getLogger(__name__)

MOST_IN_A_ROW = 30


class Sieve:
    """Judges the pictures of one life of a source. Bad ones are counted, and told at 1, 10, 100, … of them."""

    def __init__(self, camera: str) -> None:
        self._camera = camera
        self._in_a_row = 0
        self.dropped = 0

    def size(self, data: bytes) -> tuple[int, int] | None:
        """Width and height of a good picture, None for one to drop.

        Raises Broken when nothing but bad pictures comes.
        """
        try:
            size = jpeg.size(data)
        except jpeg.BadJpeg as bad:
            self.drop(bad)
            return None
        self.keep()
        return size

    def keep(self) -> None:
        """One was good."""
        self._in_a_row = 0

    def drop(self, bad: jpeg.BadJpeg) -> None:
        """One was bad. Raises Broken when nothing else comes."""
        self.dropped += 1
        self._in_a_row += 1
        if self._in_a_row > MOST_IN_A_ROW:
            raise Broken(f"sent {self._in_a_row} bad pictures in a row; the last one {bad}")
        if self.dropped == 1:
            log.warning("%s: a picture %s; dropped", self._camera, bad)
        elif str(self.dropped).strip("0") == "1":
            log.warning("%s: %d bad pictures dropped so far; the last one %s", self._camera, self.dropped, bad)
