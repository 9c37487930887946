"""The rows in which the way to the store, or the store itself, fails."""

from collections.abc import Sequence

from faults.rows import Row

ROWS: Sequence[Row] = ()
