"""The row in which the clock is wrong: the whole daemon before a server that tells the time. See wrongclock.py."""

import wrongclock
from edgecam.offload.pipe import plain
from faults.rows import Found, Trial
from faults.site import open_site


def wrong_clock(trial: Trial, *, server: str, behind: float) -> Found:
    """18. `behind`: seconds, until it is set right. A row's `play`."""
    with open_site(server, trial) as site:
        count = wrongclock.lives(trial.folder / "box", plain(site.config(None)), site.keys, behind)
    return Found(count, "signed with the server's time; kept without a date until the clock was set, then dated right")
