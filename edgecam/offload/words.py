"""Words: what the log says of the offload, for the person who must act. Pure."""

from collections.abc import Iterable

from edgecam.health import StoreState
from edgecam.offload.patience import Absence, Pause
from edgecam.offload.stores import StoreError

ASIDE = "it was not uploaded and lies in spool/bad now"
TAKE_UP = "`edgecam spool retry` takes it up again"


def trouble(error: StoreError, state: StoreState, pause: Pause, *, attempts: int, waiting: int) -> str:
    """The store failed: what, what that means for what waits, what to do, what happens next."""
    still = "" if pause.lasting is None else f"still {state} after {lasting(pause.lasting)}, {attempts} attempts: "
    safe = so_many_wait(waiting) + (", nothing is lost" if waiting else "")
    then = "trying again" if state is StoreState.RETRYING else "next probe"
    return f"offload: {still}{error}; {safe}{cure(error)}; {then} in {pause.seconds:.0f} s"


def works_again(absence: Absence, waiting: int) -> str:
    times = "1 attempt" if absence.attempts == 1 else f"{absence.attempts} attempts"
    return f"offload: the store works again after {times} ({lasting(absence.seconds)}); {so_many_wait(waiting)}"


def works(where: str, *, asked: bool, deleted: bool) -> str:
    """What the store let us do with an object of our own; putting is all that is needed."""
    told = [("put", True), ("head", asked), ("delete", deleted)]
    allowed, refused = (", ".join(name for name, may in told if may is which) for which in (True, False))
    return (
        f"offload: the store works: {where} ({allowed} allowed{f'; {refused} refused, which is fine' * bool(refused)})"
    )


def switched_off(cameras: Iterable[str]) -> str:
    return f"the offload of {', '.join(sorted(cameras))} is switched off"


def cure(error: StoreError) -> str:
    return f"; {error.hint}" if error.hint else ""


def so_many_wait(count: int) -> str:
    return {0: "nothing waits", 1: "1 clip waits"}.get(count, f"{count} clips wait")


def lasting(seconds: float) -> str:
    for unit, name in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} s"
