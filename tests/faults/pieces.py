"""Scenarios in which a large file goes in pieces, and the line breaks among them. The numbers are those of the rows."""

import sys
from collections.abc import Callable

from edgecam.offload.stores import azure, s3
from edgecam.offload.worker import STALL
from faultproxy import Fault, Request, Strike
from faults import small_parts
from faults.crossing import Courier, Crossing


async def parts_cut(crossing: Crossing) -> str:
    """28. The line breaks in every third part of an S3 upload."""
    cuts = Strike(_anywhere(crossing), part="partNumber=", every=3)
    told = await _in_parts(crossing, cuts)
    return f"{cuts.struck} parts cut; {told}"


async def completion_lost(crossing: Crossing) -> str:
    """28. The completion is cut off before the server hears of it, or done and its answer lost."""
    unheard = Strike(Fault(unheard=True), method="POST", part="uploadId=", every=2)
    lost = Strike(Fault(lost=True), method="POST", part="uploadId=", every=2)
    told = await _in_parts(crossing, unheard, lost)
    return f"{unheard.struck} completions cut, {lost.struck} answers lost; {told}"


async def _in_parts(crossing: Crossing, *strikes: Strike) -> str:
    part = s3.PART
    if not crossing.trial.full:
        part = small_parts.PART
        crossing.courier = Courier(stall=STALL, command=[sys.executable, small_parts.__file__])
    await _drained_but_for(crossing, *strikes)
    assert crossing.site.unfinished() == [], "unfinished uploads were left behind"
    return _no_piece_twice(crossing, "partNumber=", part)


async def blocks_cut(crossing: Crossing) -> str:
    """29. The line breaks in every third block of an Azure upload."""
    cuts = Strike(_anywhere(crossing), part="comp=block&", every=3)
    await _drained_but_for(crossing, cuts)
    return f"{cuts.struck} blocks cut; {_no_piece_twice(crossing, 'comp=block&', azure.BLOCK)}; {_md5_set(crossing)}"


async def block_list_lost(crossing: Crossing) -> str:
    """29. The line breaks between the last block and the block list, or the list is committed and its answer lost."""
    cut, lost = (Strike(fault, part="comp=blocklist", every=2) for fault in (Fault(cut=0), Fault(lost=True)))
    await _drained_but_for(crossing, cut, lost)
    told = _no_piece_twice(crossing, "comp=block&", azure.BLOCK)
    return f"{cut.struck} lists cut, {lost.struck} answers lost; {told}; {_md5_set(crossing)}"


def _anywhere(crossing: Crossing) -> Callable[[Request], Fault]:
    return lambda request: Fault(cut=crossing.chance.randrange(1, request.size))


async def _drained_but_for(crossing: Crossing, *strikes: Strike) -> None:
    crossing.proxy.suffer(*strikes)
    crossing.start()
    await crossing.drained()
    assert all(strike.struck for strike in strikes), "something did not go wrong"


def _no_piece_twice(crossing: Crossing, words: str, size: int) -> str:
    """Each piece of each file reached the server once."""
    sent = [request for request in crossing.proxy.asked("PUT", words) if request.passed == request.size]
    expected = sum(-(-clip.size // size) for clip in crossing.clips)
    assert len(sent) == expected, f"{len(sent)} pieces sent whole, not {expected}"
    return f"{expected} pieces, none sent twice, the worker held {crossing.courier.memory} MB at most"


def _md5_set(crossing: Crossing) -> str:
    for clip in crossing.clips:
        there = crossing.site.store.stat(crossing.key(clip))
        assert there is not None
        assert there.md5 == clip.md5, "content_md5 is not set"
    return "content_md5 is set"
