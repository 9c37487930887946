"""How well `offload.bandwidth` is kept: the rate that was measured beside the one that was asked for.

    PYTHONPATH=tests .venv/bin/python bench/bandwidth.py [--rate 1MB/s] [--seconds 10]

A clip goes to each kind of store through the offload's own worker process, limited and not, when that is awake; what
counts is the time from the job to its answer, the check of the file's hashes and the manifest included.

On two busy cores, measured / asked: for 1 MB/s folder 1.007, S3 (rclone) 1.015, Azure (Azurite) 0.996; for 1 kB/s
1.000, 1.000 and 1.001. What is above 1 is the quarter of a second that may leave at once.
"""

import argparse
import asyncio
import math
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from azure.storage.blob import ContainerClient

from edgecam.clock import SystemClock
from edgecam.config import units
from edgecam.config.secret import Secret, Url
from edgecam.config.store import AzureStore, FolderStore, S3Store, StoreConfig
from edgecam.config.timetable import ELSE
from edgecam.media import Layout
from edgecam.offload.waiting.spool import Spool
from edgecam.offload.worker import Worker
from peers import S3, Azurite
from waiting import save


@contextmanager
def stores(folder: Path) -> Iterator[dict[str, StoreConfig]]:
    with S3(folder / "s3") as s3, Azurite(folder / "azurite") as azurite:
        s3.bucket("bench")
        keys = {"access_key": Secret(s3.access_key), "secret_key": Secret(s3.secret_key)}
        with ContainerClient.from_connection_string(azurite.connection_string, "bench") as container:
            container.create_container()
        yield {
            "folder": FolderStore(path=folder / "nas"),
            "s3": S3Store(bucket="bench", endpoint=Url(s3.endpoint), **keys),
            "azure": AzureStore(container="bench", connection_string=Secret(azurite.connection_string)),
        }


async def measure(folder: Path, store: StoreConfig, rate: float, size: int) -> float:
    """Bytes per second of a second clip, when the worker and the store's library are awake."""
    left = list[int]()
    worker = Worker(clock=SystemClock(), bandwidth={} if math.isinf(rate) else {ELSE: rate}, left=left.append)
    spool = Spool(Layout(folder))
    try:
        for bytes_ in (1000, size):
            parcel = spool.parcel(save(folder, start=time.time(), size=bytes_), node="bench", prefix="")
            left.clear()
            begun = time.monotonic()
            await worker.deliver(store, parcel)
            passed = time.monotonic() - begun
    finally:
        await worker.close()
    return sum(left) / passed


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=units.rate, default=1e6)
    parser.add_argument("--seconds", type=float, default=10)
    arguments = parser.parse_args()
    size = int(arguments.rate * arguments.seconds)
    with tempfile.TemporaryDirectory() as folder, stores(Path(folder)) as found:
        for name, store in found.items():
            ratio = await measure(Path(folder), store, arguments.rate, size) / arguments.rate
            free = await measure(Path(folder), store, math.inf, size)
            print(f"{name:6}  measured / asked {ratio:.3f}; unlimited {free / 1e6:.0f} MB/s")


if __name__ == "__main__":
    asyncio.run(main())
