"""Every row of the fault matrix, with the product's own patience; what it says is docs/reliability.md.

`make faults` runs this. Rows mostly wait, so several are played at once, each in a process of its own.
"""

import argparse
import multiprocessing
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path

from faults import local, network
from faults.rows import Outcome, Row, Trial, play
from peers import ROOT, program

ROWS = (*network.ROWS, *local.ROWS)
"""Those that take longest stand first in their modules, so that the others run beside them."""

HEAD = """\
# Reliability of the offload

The rows of the fault matrix, each against a real server: {servers}.
Files wait in a spool as the recorder leaves them; the daemon's own spool, uploader and worker process bring them to the
server while something is wrong, which then ends; everything must drain by itself.

A row passes when every file is exactly one object with its manifest, its bytes compared on the server; when nothing
partial and nothing foreign was ever seen at its key by somebody who asked again and again; and when a file left the
spool only after that. What else a row asks for stands in its line.

Repeat it with `{command}`; the tests play the same rows with fewer files and shorter pauses. What looks at the
pace of a camera is played alone: beside eight other rows on two cores a segment now and then has 29 or 31 frames of 30.
"""


def campaign(rows: Sequence[Row], *, jobs: int, seed: int) -> list[Outcome]:
    """Play all `rows`, `jobs` at once, then those that want to be alone; tells on stderr how it goes."""
    found: list[Outcome] = []
    beside, alone = ([row for row in rows if row.alone is which] for which in (False, True))
    for some, at_once in ((beside, jobs), (alone, 1)):
        for outcome in _played(some, at_once, seed):
            found.append(outcome)
            sys.stderr.write(f"{len(found)}/{len(rows)} {line(outcome)}\n")
    return sorted(found, key=lambda outcome: (outcome.row, outcome.server, outcome.fault))


def _played(rows: Sequence[Row], jobs: int, seed: int) -> Iterator[Outcome]:
    """What became of `rows`, in the order in which they end."""
    context = multiprocessing.get_context("spawn")
    with (
        tempfile.TemporaryDirectory(prefix="faults-") as folder,
        ProcessPoolExecutor(jobs, mp_context=context, max_tasks_per_child=1, initializer=end_when_told) as pool,
        _together(pool),
    ):
        running = []
        for number, row in enumerate(rows):
            place = Path(folder) / str(number)
            place.mkdir()
            running.append(pool.submit(play, row, Trial(place, full=True, seed=seed)))
        yield from (done.result() for done in as_completed(running))


def end_when_told() -> None:
    """On SIGTERM, but not without clearing up."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))


@contextmanager
def _together(pool: ProcessPoolExecutor) -> Iterator[None]:
    """Whoever ends us ends the rows as well."""
    try:
        yield
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.terminate()
        raise


def line(outcome: Outcome) -> str:
    """One line of the table."""
    verdict = {True: "yes", False: "**NO**", None: "not run"}[outcome.passed]
    words = " ".join(outcome.found.split()).replace("|", "/")
    return (
        f"| {outcome.row} | {outcome.fault} | {outcome.server} | {outcome.files or ''} | {words} "
        f"| {outcome.seconds:.0f} | {verdict} |"
    )


def report(outcomes: Sequence[Outcome], arguments: str, seed: int) -> str:
    files = sum(outcome.files for outcome in outcomes)
    passed = sum(outcome.passed is True for outcome in outcomes)
    lines = [
        HEAD.format(servers=versions(), command=f'make faults ARGS="{arguments}"' if arguments else "make faults"),
        "| row | fault | server | files | what was found | s | passed |",
        "|---|---|---|---|---|---|---|",
        *map(line, outcomes),
        "",
        f"{passed} of {len(outcomes)} passed, with {files} files; seed {seed}.",
    ]
    return "\n".join(lines) + "\n"


def versions() -> str:
    """Of the servers."""
    told = subprocess.run([program("rclone"), "version"], capture_output=True, text=True, check=True).stdout
    azurite = (ROOT / ".cache/azurite/version").read_text().strip()
    return f"{told.split()[0]} {told.split()[1]} (S3) and Azurite {azurite} (Azure Blob Storage)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=6, help="rows played at once")
    parser.add_argument("--rows", type=lambda text: {int(number) for number in text.split(",")}, help="such as 5,6")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    end_when_told()
    rows = [row for row in ROWS if given.rows is None or row.number in given.rows]
    began = time.monotonic()
    outcomes = campaign(rows, jobs=given.jobs, seed=given.seed)
    sys.stdout.write(report(outcomes, " ".join(sys.argv[1:]), given.seed))
    sys.stderr.write(f"{(time.monotonic() - began) / 60:.0f} minutes\n")
    failed = sorted({outcome.row for outcome in outcomes if outcome.passed is False})
    if failed:
        sys.exit(f"rows that failed: {', '.join(map(str, failed))}")


if __name__ == "__main__":
    main()
