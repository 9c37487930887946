"""The rows in which the way to the store, or the store itself, fails."""

from collections.abc import Iterator
from functools import partial

from faultproxy import refusal
from faults import answers, lines
from faults.crossing import Scenario, cross
from faults.rows import Row
from faults.site import AZURITE, RCLONE, RCLONE_TLS

STALL = 5.0, 120.0
"""Seconds without progress until the worker is replaced, in the tests and in the campaign."""
EXISTS = {RCLONE: refusal(412, "PreconditionFailed"), AZURITE: refusal(409, "BlobAlreadyExists")}
FAILED = refusal(500, "InternalError")
CERTIFICATES = {"unknown CA": "self-signed", "expired": "expired", "wrong name": "match"}


def _row(number: int, fault: str, servers: str, scenario: Scenario, **how: object) -> Iterator[Row]:
    """One for each of the `servers`: their initials; `how` is for `cross`."""
    for letter in servers:
        server = {"r": RCLONE, "t": RCLONE_TLS, "a": AZURITE}[letter]
        yield Row(number, fault, server, partial(cross, scenario=scenario, server=server, **how))  # type: ignore[arg-type]


ROWS = (
    *_row(1, "connection refused for 10 minutes", "r", lines.refused),
    *_row(11, "line throttled to 20 kB/s", "ra", lines.thin, files=(1, 1), size=(1_000_000, 10_000_000)),
    *_row(10, "black hole", "ra", lines.black_hole, stall=STALL),
    *_row(10, "stall in the middle of a body", "rta", lines.stalled, files=(1, 4), size=(12_000_000,) * 2, stall=STALL),
    *_row(12, "2 s latency per chunk", "ra", lines.slow_to_answer, files=(2, 4), size=(200_000, 400_000)),
    *_row(2, "upload cut anywhere (FIN)", "rta", partial(lines.cut, reset=False)),
    *_row(3, "upload cut anywhere (RST)", "rta", partial(lines.cut, reset=True)),
    *_row(4, "cut before the first byte of the body", "ra", lines.cut_before_the_body),
    *_row(5, "stored, answer lost", "rta", answers.answer_lost),
    *_row(6, "stored, then 412", "r", partial(answers.answer_lost, instead=EXISTS[RCLONE])),
    *_row(6, "stored, then 409", "a", partial(answers.answer_lost, instead=EXISTS[AZURITE])),
    *_row(7, "other bytes at the key", "ra", answers.others_objects),
    *_row(8, "stored, then 500", "ra", partial(answers.answer_lost, instead=FAILED)),
    *_row(9, "every fifth request 503", "ra", answers.busy),
    *_row(9, "503 always", "r", answers.always_busy),
    *_row(9, "503 with Retry-After", "ra", answers.told_when),
    *_row(13, "bit flipped in a body", "ra", lines.flipped),
    *_row(14, "bit rot in a finished file", "r", answers.rot),
    *_row(15, "wrong secret, then corrected in its file", "ra", answers.wrong_secret),
    *_row(16, "expired SAS token, then a new one in its file", "a", answers.expired_token),
    *_row(17, "bucket missing, then made", "ra", answers.no_bucket, bucket=False),
    *_row(19, "none; the server refuses aws-chunked", "t", answers.healthy),
    *_row(20, "metadata dropped", "ra", answers.metadata_dropped),
    *_row(21, "server killed in the middle of an upload", "r", lines.server_restarts, files=(2, 8)),
    *_row(
        29, "cut before the block list; its answer lost", "a", answers.blocks_cut, files=(2, 6), size=(12_000_000,) * 2
    ),
    *(
        row
        for sort, words in CERTIFICATES.items()
        for row in _row(
            31, f"certificate: {sort}", "r", partial(lines.wrong_certificate, sort=sort, words=words), tls=True
        )
    ),
    *_row(32, "name not known, then known", "r", partial(lines.wrong_address, dead_first=False)),
    *_row(32, "a dead address first", "r", partial(lines.wrong_address, dead_first=True)),
    *_row(35, "a login page answers (200)", "ra", partial(lines.portal, redirects=False)),
    *_row(35, "redirect to a login page", "ra", partial(lines.portal, redirects=True)),
)
"""Those that take longest in the campaign first."""
