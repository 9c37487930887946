"""Scenarios in which the line breaks, hangs, crawls or leads elsewhere. The numbers are those of the rows."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from edgecam.config.secret import Url
from edgecam.config.store import S3Store
from edgecam.offload.stores import Corrupt
from edgecam.offload.worker import STALL
from faultproxy import LOGIN_PAGE, Answer, Fault, Request, Strike
from faults.crossing import Courier, Crossing
from faults.rows import Unable
from peers import self_signed

TEN_MINUTES = 600.0
UNKNOWN = "self-signed"
"""What is wrong with a certificate that nobody vouches for."""
LONGEST_STALL = 130.0
"""Seconds, in the campaign: two minutes, and the start of the worker."""
LATEST = 1.0
"""Seconds by which the daemon's loop may be late, in the campaign."""


async def refused(crossing: Crossing) -> str:
    """1. Nobody listens, in the campaign for ten minutes."""
    crossing.proxy.refuse()
    crossing.start()
    since = time.monotonic()
    away = TEN_MINUTES if crossing.trial.full else 0.0
    await crossing.until("it was away", lambda: time.monotonic() > since + away and len(crossing.patience.pauses) >= 4)
    attempts = len(crossing.patience.pauses)
    crossing.proxy.mend()
    await crossing.drained()
    return f"{attempts} attempts in {time.monotonic() - since:.0f} s, one for each pause"


async def cut(crossing: Crossing, *, reset: bool) -> str:
    """2, 3. The line breaks anywhere in a body: at first three times in a row, then every other time."""

    def anywhere(request: Request) -> Fault:
        return Fault(cut=crossing.chance.randrange(1, request.size), reset=reset)

    cuts = Strike(anywhere, times=3), Strike(anywhere, every=2)
    crossing.proxy.suffer(*cuts)
    crossing.start()
    await crossing.drained()
    return f"{_struck(*cuts)} uploads cut"


async def cut_before_the_body(crossing: Crossing) -> str:
    """4. The server has the head of a request, and never gets a byte of the body."""
    cuts = Strike(Fault(cut=0), every=2), Strike(Fault(cut=0), times=3)
    crossing.proxy.suffer(*cuts)
    crossing.start()
    await crossing.drained()
    return f"{_struck(*cuts)} cut; never an empty object"


def _struck(*strikes: Strike) -> int:
    struck = sum(strike.struck for strike in strikes)
    assert struck, "nothing went wrong"
    return struck


async def black_hole(crossing: Crossing) -> str:
    """10. Connections are taken, and nothing of them is read."""
    crossing.proxy.deaf()
    crossing.start()
    return await _noticed(crossing)


async def stalled(crossing: Crossing) -> str:
    """10. In the middle of a body nothing moves any more."""
    crossing.proxy.suffer(Strike(lambda request: Fault(stall=request.size // 2), part=".mp4", times=1))
    crossing.start()
    return await _noticed(crossing)


async def _noticed(crossing: Crossing) -> str:
    """By us, who replace the worker, or by the SDK, which gives up to send."""
    began = time.monotonic()
    await crossing.failures(1)
    took = time.monotonic() - began
    noticed = str(crossing.courier.failures[0])
    assert "the worker is replaced" in noticed or "no answer in time" in noticed, noticed
    assert took < LONGEST_STALL or not crossing.trial.full, f"noticed after {took:.0f} s only"
    crossing.proxy.mend()
    await crossing.drained()
    assert crossing.late < LATEST or not crossing.trial.full, f"the daemon's loop was {crossing.late:.1f} s late"
    return f"noticed after {took:.0f} s; the daemon's loop was never late by more than {crossing.late * 1000:.0f} ms"


async def thin(crossing: Crossing) -> str:
    """11. A line so thin that a body takes minutes: one attempt must do."""
    rate = 20_000 if crossing.trial.full else 700_000
    crossing.proxy.suffer(Strike(Fault(rate=rate), method="any"))
    began = time.monotonic()
    crossing.start()
    await crossing.drained()
    assert crossing.patience.pauses == []
    assert crossing.sent_twice() == 0
    size = sum(clip.size for clip in crossing.clips)
    return f"{size / 1e6:.1f} MB in {time.monotonic() - began:.0f} s, in one attempt"


async def slow_to_answer(crossing: Crossing) -> str:
    """12. Every chunk of 16 KiB and every answer takes its time."""
    latency = 2.0 if crossing.trial.full else 0.05
    crossing.proxy.suffer(Strike(Fault(latency=latency), method="any"))
    crossing.start()
    await crossing.drained()
    assert crossing.patience.pauses == []
    return f"{latency:g} s a chunk; in one attempt each"


async def flipped(crossing: Crossing) -> str:
    """13. One bit of a body arrives as another one."""

    def anywhere(request: Request) -> Fault:
        return Fault(flip=crossing.chance.randrange(request.size))

    flips = Strike(anywhere, every=2)
    crossing.proxy.suffer(flips)
    crossing.start()
    await crossing.drained()
    refused = [error for error in crossing.courier.failures if isinstance(error, Corrupt)]
    assert len(refused) == _struck(flips), [str(error) for error in crossing.courier.failures]
    return f"{flips.struck} bits flipped, all refused by the server and sent again"


async def server_restarts(crossing: Crossing) -> str:
    """21. It is killed in the middle of an upload, and comes back."""
    server = crossing.site.peer
    crossing.proxy.suffer(Strike(Fault(rate=400_000), part=".mp4"))
    kills = 5 if crossing.trial.full else 1
    crossing.start()
    for _ in range(kills):
        await crossing.until("a body is half sent", partial(_half_sent, crossing, len(crossing.proxy.seen)))
        await asyncio.to_thread(server.down, True)
        await crossing.failures(len(crossing.patience.pauses) + 1)
        await asyncio.to_thread(server.up)
    crossing.proxy.mend()
    await crossing.drained()
    left = crossing.site.litter()
    return f"killed {kills} times; {left} temporary files of the killed server's own are left there"


def _half_sent(crossing: Crossing, seen: int) -> bool:
    """One of the requests after those that were `seen`."""
    uploads = [request for request in crossing.proxy.seen[seen:] if request.method == "PUT" and ".mp4" in request.path]
    return any(request.size > request.passed > request.size // 3 for request in uploads)


# Somebody else answers


async def wrong_certificate(crossing: Crossing, *, words: str, address: str = "127.0.0.1", days: float = 1) -> str:
    """31. The server's certificate is not to be trusted, which is told with these `words`; then it gets a good one.

    It is for another `address`, or ends in so many `days`; else nobody knows who made it.
    """
    folder, good = crossing.trial.folder, crossing.site.certificate()
    bad = folder / "bad.pem", folder / "bad.key"
    self_signed(*bad, address=address, days=days)
    if words != UNKNOWN:  # then nothing else is wrong with it
        trusted = folder / "trusted.pem"
        trusted.write_bytes(good[0].read_bytes() + bad[0].read_bytes())
        crossing.config = crossing.config.changed(ca=trusted)
    crossing.proxy.certify(*bad)
    crossing.start()
    reason = await crossing.blocked(words)
    assert crossing.proxy.seen == [], "something was sent all the same"
    crossing.proxy.certify(*good)
    await crossing.drained()
    return f"“{reason}”"


async def portal(crossing: Crossing, *, redirects: bool) -> str:
    """35. A hotel's network answers everything itself."""
    answer = _to_login_page(crossing.proxy.port) if redirects else Fault(answer=LOGIN_PAGE)
    crossing.proxy.suffer(Strike(answer, method="any"))
    crossing.start()
    await crossing.failures(4)
    reason = crossing.status.reason
    assert crossing.stored == []
    crossing.proxy.suffer(Strike(answer))  # what is asked passes, what is sent does not
    await crossing.failures(7)
    assert crossing.stored == []
    crossing.proxy.mend()
    await crossing.drained()
    return f"“{reason}”"


def _to_login_page(port: int) -> Callable[[Request], Fault]:
    """Who follows finds one."""
    moved = Answer(302, b"", (("Location", f"http://127.0.0.1:{port}/login"),))
    return lambda request: Fault(answer=LOGIN_PAGE if request.path.startswith("/login") else moved)


async def wrong_address(crossing: Crossing, *, dead_first: bool) -> str:
    """32. The store's name is not known, or is that of a dead address and then of the living one; then it is right.

    The worker lives in a mount namespace with a hosts file and a resolv.conf of its own: the resolver is the system's.
    """
    hosts, resolver = crossing.trial.folder / "hosts", crossing.trial.folder / "resolv.conf"
    resolver.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")  # no name server is there
    hosts.write_text("::1 store.test\n127.0.0.1 store.test\n" if dead_first else "127.0.0.1 localhost\n")
    worker = sys.executable, "-m", "edgecam.offload.worker"
    crossing.courier = Courier(stall=STALL, command=[*_seeing(hosts, resolver), *worker])
    assert isinstance(crossing.config, S3Store)
    crossing.config = crossing.config.changed(endpoint=Url(f"http://store.test:{crossing.proxy.port}"))
    crossing.start()
    if dead_first:
        await crossing.drained()
        assert crossing.patience.pauses == []
        return "the living address is tried at once"
    await crossing.failures(3)
    reason = crossing.status.reason
    hosts.write_text("127.0.0.1 store.test\n")
    await crossing.drained()
    return f"“{reason}”; looked up anew at each attempt"


def _seeing(hosts: Path, resolver: Path) -> Sequence[str]:
    """What to put before a command that shall see these files in /etc. Raises Unable where nobody may do that."""
    script = 'mount --bind "$1" /etc/hosts && mount --bind "$2" /etc/resolv.conf && shift 2 && exec "$@"'
    command = ["unshare", "--map-root-user", "--mount", "sh", "-c", script, "sh", str(hosts), str(resolver)]
    if not Path("/proc/net/if_inet6").exists() or subprocess.run([*command, "true"], capture_output=True).returncode:
        raise Unable("a hosts file of one's own needs IPv6 and a mount namespace, which this machine does not allow")
    return command
