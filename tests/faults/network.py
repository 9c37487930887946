"""The rows in which the way to the store, or the store itself, fails."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from faultproxy import LOGIN_PAGE, TO_LOGIN_PAGE, Fault, Request, Strike, refusal
from faults.crossing import Crossing, cross
from faults.rows import Row
from faults.site import AZURITE, RCLONE, RCLONE_TLS


async def refused(crossing: Crossing) -> str:
    """1. Nobody listens, in the campaign for ten minutes."""
    crossing.proxy.refuse()
    crossing.start()
    await crossing.failures(4)
    tries = len(crossing.patience.pauses)
    crossing.proxy.mend()
    await crossing.drained()
    return f"{tries} attempts"


async def cut(crossing: Crossing, *, reset: bool = False) -> str:
    """2, 3. The line breaks anywhere in a body."""

    def anywhere(request: Request) -> Fault:
        return Fault(cut=crossing.chance.randrange(1, request.size), reset=reset)

    cuts = Strike(anywhere, times=2 * len(crossing.clips))
    crossing.proxy.suffer(cuts)
    crossing.start()
    await crossing.drained()
    return f"{cuts.struck} cuts"


ROWS: Sequence[Row] = (
    Row(1, "connection refused", RCLONE, partial(cross, scenario=refused, server=RCLONE)),
    Row(2, "cut", RCLONE, partial(cross, scenario=cut, server=RCLONE)),
    Row(2, "cut", AZURITE, partial(cross, scenario=cut, server=AZURITE)),
    Row(3, "cut", RCLONE_TLS, partial(cross, scenario=partial(cut, reset=True), server=RCLONE_TLS)),
)
