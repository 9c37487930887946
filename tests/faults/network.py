"""The rows in which the way to the store, or the store itself, fails."""

from collections.abc import Iterator
from functools import partial

from faultproxy import refusal
from faults import answers, lines, pieces
from faults.answers import answer_lost
from faults.clocks import wrong_clock
from faults.crossing import Scenario, cross
from faults.lines import wrong_address, wrong_certificate
from faults.rows import Row
from faults.site import AZURITE, RCLONE, RCLONE_TLS

INITIALS = {"r": RCLONE, "t": RCLONE_TLS, "a": AZURITE}
STALL = 5.0, 120.0
"""Seconds without progress until the worker is replaced, in the tests and in the campaign."""
HOUR, DAY = 3600.0, 86400.0
THIN = 3.0, 120.0
"""The same, less than a thin line takes for what buffers hold."""
MIDDLING, LARGE, BLOCKS = (9_000_000, 9_000_000), (3_500_000, 100_000_000), (15_000_000, 30_000_000)
"""Sizes of files, alike: more than the buffers of a connection hold; sent to S3 in parts; to Azure in blocks."""


def rows(number: int, fault: str, scenario: Scenario, tested: str, campaign: str = "", **how: object) -> Iterator[Row]:
    """One for each server, told by the initials of those that the tests play as well and of the others.

    `how` is for `cross`.
    """
    for initial in tested + campaign:
        server = INITIALS[initial]
        play = partial(cross, scenario=scenario, server=server, **how)  # type: ignore[arg-type]
        yield Row(number, fault, server, play, initial in tested)


def clock(number: int, fault: str, behind: float) -> Iterator[Row]:
    """The campaign's alone: tests/system/test_wrong_clock.py is the tests'."""
    for server in (RCLONE, AZURITE):
        yield Row(number, fault, server, partial(wrong_clock, server=server, behind=behind), tested=False)


ROWS = (
    *rows(1, "connection refused for 10 minutes", lines.refused, "r"),
    *rows(11, "throttled to 20 kB/s", lines.thin, "a", "r", files=(1, 1), size=(5_200_000, 11_200_000), stall=THIN),
    *rows(10, "black hole", lines.black_hole, "r", "a", stall=STALL),
    *rows(10, "stall in the middle of a body", lines.stalled, "t", "ra", files=(1, 4), size=MIDDLING, stall=STALL),
    *rows(12, "2 s latency for each chunk", lines.slow_to_answer, "r", "a", files=(2, 4), size=(150_000, 300_000)),
    *rows(28, "S3 parts cut", pieces.parts_cut, "r", files=(2, 3), size=LARGE),
    *rows(28, "completion cut, or its answer lost", pieces.completion_lost, "r", files=(3, 4), size=LARGE),
    *rows(29, "Azure blocks cut", pieces.blocks_cut, "a", files=(1, 2), size=BLOCKS),
    *rows(29, "block list cut, or its answer lost", pieces.block_list_lost, "a", files=(2, 6), size=BLOCKS),
    *rows(2, "upload cut anywhere (FIN)", partial(lines.cut, reset=False), "ra", "t"),
    *rows(3, "upload cut anywhere (RST)", partial(lines.cut, reset=True), "t", "ra"),
    *rows(4, "cut before the first byte of the body", lines.cut_before_the_body, "r", "a"),
    *rows(5, "stored, answer lost", answer_lost, "ra", "t"),
    *rows(6, "stored, then 412", partial(answer_lost, instead=refusal(412, "PreconditionFailed")), "r"),
    *rows(6, "stored, then 409", partial(answer_lost, instead=refusal(409, "BlobAlreadyExists")), "a"),
    *rows(7, "other bytes at the key", answers.others_objects, "r", "a"),
    *rows(8, "stored, then 500", partial(answer_lost, instead=refusal(500, "InternalError")), "r", "a"),
    *rows(9, "every fifth request 503", answers.busy, "r", "a"),
    *rows(9, "503 always", answers.always_busy, "r"),
    *rows(9, "503 with Retry-After", answers.told_when, "r", "a"),
    *rows(13, "bit flipped in a body", lines.flipped, "ra"),
    *rows(14, "bit rot in a finished file", answers.rot, "r"),
    *rows(15, "wrong secret, then corrected in its file", answers.wrong_secret, "r", "a"),
    *rows(16, "SAS token ended, then a new one in its file", answers.expired_token, "a"),
    *rows(17, "bucket missing, then made", answers.no_bucket, "r", "a", bucket=False),
    *clock(18, "clock an hour ahead", -HOUR),
    *clock(18, "clock a day behind", DAY),
    *rows(19, "none; the server refuses aws-chunked", answers.healthy, "t"),
    *rows(20, "metadata dropped", answers.metadata_dropped, "r", "a"),
    *rows(21, "server killed in the middle of an upload", lines.server_restarts, "r", files=(2, 8)),
    *rows(31, "certificate of an unknown CA", partial(wrong_certificate, words=lines.UNKNOWN), "r", tls=True),
    *rows(31, "certificate ended", partial(wrong_certificate, days=-1, words="expired"), "r", tls=True),
    *rows(31, "another's certificate", partial(wrong_certificate, address="127.0.0.2", words="match"), "r", tls=True),
    *rows(32, "name not known, then known", partial(wrong_address, dead_first=False), "r"),
    *rows(32, "a dead address first", partial(wrong_address, dead_first=True), "r"),
    *rows(35, "a login page answers (200)", partial(lines.portal, redirects=False), "r", "a"),
    *rows(35, "redirect to a login page", partial(lines.portal, redirects=True), "a", "r"),
)
"""Those that take longest in the campaign first."""
