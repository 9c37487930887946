"""The rows in which something of the box itself fails: its disk, its daemon, its worker, its power."""

from collections.abc import Sequence

from faults.rows import Row

ROWS: Sequence[Row] = ()
