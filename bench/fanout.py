"""Server CPU seconds per 1000 delivered frames: our fan-out against a plain `await write` loop, in the same run.

    python bench/fanout.py [--clients 10,100] [--seconds 6] [--fps 15] [--bytes 154000]

Loopback only. Each server is a child process; its CPU is read from /proc, its frames are counted by real clients.
Look at the ratio: the absolute numbers belong to one machine.
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from aiohttp import web

from edgecam.clock import SystemClock
from edgecam.config.model import Address, Camera, Config
from edgecam.control import Film, Mended, Reloaded, Saved
from edgecam.events import Bus, SnapshotTaken
from edgecam.frame import Kind, Stamp
from edgecam.health import CameraState, CameraStatus, Health
from edgecam.hub import FrameHub, Ring
from edgecam.media import Layout, MediaId
from edgecam.record.disk.library import Library
from edgecam.settings import Settings

MARK = b"X-Timestamp: "


class Nobody:
    """Nothing is asked of the daemon here."""

    async def take_snapshot(self, camera: str) -> SnapshotTaken:
        raise NotImplementedError

    async def save_clip(self, camera: str, last: float) -> Saved:
        raise NotImplementedError

    async def export(self, camera: str, begin: float, end: float) -> Film:
        raise NotImplementedError

    def trigger(self, camera: str, duration: float, cause: str) -> str:
        raise NotImplementedError

    async def reload(self) -> Reloaded:
        raise NotImplementedError

    async def compare(self) -> Reloaded:
        raise NotImplementedError

    def retry_offload(self) -> None:
        raise NotImplementedError

    async def mend(self, id: MediaId) -> Mended:
        raise NotImplementedError

    async def bring_back(self, name: str) -> Mended:
        raise NotImplementedError


async def publish(hub: FrameHub, fps: float, size: int) -> None:
    """Frames of `size` bytes at an even pace; what is in them does not matter to a fan-out."""
    stamp, data = Stamp("bench", SystemClock()), os.urandom(size)
    due = time.monotonic()
    while True:
        due += 1 / fps
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        hub.publish(stamp(Kind.JPEG, data, 1280, 720))


async def ours(hub: FrameHub) -> None:
    from edgecam.web import Web
    from edgecam.web.signed import Signer

    camera = Camera.model_validate({"source": "synthetic"})
    http = Config.model_validate({"http": {"listen": "127.0.0.1:0", "max_clients": 5000}}).http.changed(
        listen=(Address("127.0.0.1", 0),)
    )
    status = CameraStatus("bench", state=CameraState.RUNNING)
    clock, bus = SystemClock(), Bus()
    health = Health("bench", "000000", clock, {"bench": status})
    with ThreadPoolExecutor(1) as pool:
        server = Web(
            config=http,
            cameras={"bench": camera},
            hubs={"bench": hub},
            health=health,
            control=Nobody(),
            settings=Settings({"bench": camera}, Path("/nowhere/settings.json"), bus, clock),
            library=Library(Layout(Path("/nowhere")), wanted=lambda _: False),
            bus=bus,
            signer=Signer(b"", clock),
            clock=clock,
            pool=pool,
        )
        print((await server.bind()).rpartition(":")[2], flush=True)
        await server.run()


async def naive(hub: FrameHub) -> None:
    """What one writes first: each client's task wakes for each frame, builds the part and awaits the write."""

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "multipart/x-mixed-replace; boundary=frame"})
        await response.prepare(request)
        number = -1
        while True:
            frame = await hub.next(number)
            number = frame.number
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(frame.data)}\r\n"
            await response.write(f"{head}X-Timestamp: {frame.wall:.6f}\r\n\r\n".encode() + frame.data + b"\r\n")

    app = web.Application()
    app.router.add_get("/cameras/bench/stream.mjpg", stream)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


async def serve(kind: str, fps: float, size: int) -> None:
    hub = FrameHub("bench", Ring(0.0))
    async with asyncio.TaskGroup() as group:
        group.create_task(publish(hub, fps, size))
        group.create_task({"ours": ours, "naive": naive}[kind](hub))


class Client(asyncio.Protocol):
    """Counts bytes; some also read the time stamps."""

    def __init__(self, measuring: bool) -> None:
        self.bytes, self.measuring = 0, measuring
        self.late: list[float] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(b"GET /cameras/bench/stream.mjpg HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")

    def data_received(self, data: bytes) -> None:
        self.bytes += len(data)
        if self.measuring and (at := data.find(MARK)) >= 0 and len(data) > at + 40:
            self.late.append(time.time() - float(data[at + len(MARK) : data.index(b"\r", at)]))


def cpu(pid: int) -> float:
    """Seconds on a CPU of all threads of a process, in nanosecond steps (proc(5) schedstat)."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def memory(pid: int) -> float:
    """Resident megabytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def _same(client: Client) -> Client:
    return client


async def measure(kind: str, clients: int, options: argparse.Namespace) -> float:
    """Run one server with so many clients, print what was seen, return CPU seconds per 1000 frames."""
    arguments = [sys.executable, __file__, "--serve", kind, "--fps", str(options.fps), "--bytes", str(options.bytes)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as server:  # noqa: ASYNC220  (nothing else runs)
        try:
            assert server.stdout is not None
            port = int(await asyncio.to_thread(server.stdout.readline))
            loop = asyncio.get_running_loop()
            watching = [Client(place % max(1, clients // 8) == 0) for place in range(clients)]
            connections = [(await loop.create_connection(partial(_same, it), "127.0.0.1", port))[0] for it in watching]
            await asyncio.sleep(1)
            before, spent, began = [it.bytes for it in watching], cpu(server.pid), time.monotonic()
            await asyncio.sleep(options.seconds)
            spent, took = cpu(server.pid) - spent, time.monotonic() - began
            frames = [(it.bytes - was) / options.bytes for it, was in zip(watching, before, strict=True)]
            rate: float = 1000 * spent / sum(frames)
            rss = memory(server.pid)
            late = [seconds for it in watching for seconds in it.late]
            for connection in connections:
                connection.abort()
        finally:
            server.terminate()
    p50, p99 = (1000 * statistics.quantiles(late, n=100)[place] for place in (49, 98))
    print(
        f"{kind:6} {clients:4} clients: {rate:.3f} CPU s per 1000 frames, slowest client {min(frames) / took:.1f} fps, "
        f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, {rss:.0f} MB",
        flush=True,
    )
    return rate


def counts(text: str) -> Iterator[int]:
    return (int(part) for part in text.split(","))


async def compare(options: argparse.Namespace) -> None:
    for clients in counts(options.clients):
        rates = {kind: await measure(kind, clients, options) for kind in ("ours", "naive")}
        print(f"ratio ours / naive at {clients}: {rates['ours'] / rates['naive']:.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", default="10,100")
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--fps", type=float, default=15)
    parser.add_argument("--bytes", type=int, default=154_000)
    parser.add_argument("--serve", choices=("ours", "naive"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve(options.serve, options.fps, options.bytes))
    else:
        asyncio.run(compare(options))


if __name__ == "__main__":
    main()
