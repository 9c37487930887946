"""What a Pi has and libcamera's virtual camera has not, put under picamera2 when that is imported.

Loaded by every Python in the root of this test and by nothing else; edgecam knows nothing of it. Adds: two libraries
that picamera2 imports and does not use here; raw modes; buffers without a dma-heap; YUV420 instead of NV12; a pace. The
file UNPLUGGED, while it exists, is a ribbon cable that has come off: frames cease and nobody says so.
"""

import os
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

UNPLUGGED = Path("/rig/unplugged")
PERIOD = 1 / 30


class Anything:
    def __getattr__(self, name: str) -> str:
        return name


def stand_in(name: str, **contents: object) -> None:
    """A module that an import finds, and its parents."""
    parts = name.split(".")
    for end in range(1, len(parts) + 1):
        sys.modules.setdefault(".".join(parts[:end]), ModuleType(".".join(parts[:end])))
    vars(sys.modules[name]).update(contents)


def bridge(library: ModuleType) -> None:
    """Change the module `picamera2.picamera2` once it has run."""
    import mmap
    import time

    import libcamera
    import numpy as np
    from picamera2.allocators.allocator import Allocator

    class Mapped:
        def __init__(self, allocator, buffer, write):  # type: ignore[no-untyped-def]
            self.memory = allocator.mapped_buffers[buffer]

        def __enter__(self):  # type: ignore[no-untyped-def]
            return self.memory

        def __exit__(self, *error: object) -> None: ...

        def get_buffer(self):  # type: ignore[no-untyped-def]
            return self.memory

    class MemoryAllocator(Allocator):  # type: ignore[misc]
        """Frame buffers in anonymous files."""

        def __init__(self) -> None:
            super().__init__()
            self.mapped_buffers: dict[object, object] = {}
            self.streams: dict[object, object] = {}
            self.files: list[int] = []
            self.sync = Mapped

        def allocate(self, configuration, use_case):  # type: ignore[no-untyped-def]
            self.close()
            for stream in configuration:
                luma, size, made = stream.stride * stream.size.height, stream.frame_size, []
                for _ in range(stream.buffer_count):
                    file = os.memfd_create("frame")
                    os.ftruncate(file, size)
                    self.files.append(file)
                    planes = []
                    for begin, length in ((0, luma), (luma, size - luma)):
                        plane = libcamera.FrameBuffer.Plane()
                        plane.fd, plane.offset, plane.length = file, begin, length
                        planes.append(plane)
                    made.append(libcamera.FrameBuffer(planes))
                    self.mapped_buffers[made[-1]] = mmap.mmap(file, size)
                self.streams[stream.stream] = made

        def buffers(self, stream):  # type: ignore[no-untyped-def]
            return self.streams[stream]

        def close(self) -> None:
            self.mapped_buffers, self.streams = {}, {}
            while self.files:
                os.close(self.files.pop())

        def __del__(self) -> None:
            self.close()

    def planar(request) -> None:  # type: ignore[no-untyped-def]
        """NV12 becomes YUV420 where it lies."""
        for name, stream in request.stream_map.items():
            told = request.config.get(name)
            if stream is None or told is None:
                continue
            begin = told["stride"] * told["size"][1]
            memory = request.picam2.allocator.mapped_buffers[request.request.buffers[stream]]
            both = np.frombuffer(memory, np.uint8)[begin : begin * 3 // 2]
            both[:] = np.concatenate((both[0::2], both[1::2]))

    camera = library.Picamera2
    configured, processed, stopped = camera._update_stream_config, camera.process_requests, camera.stop_

    def raw_modes(self):  # type: ignore[no-untyped-def]
        one = self.camera.generate_configuration([libcamera.StreamRole.Viewfinder]).at(0)
        return [{"format": str(one.pixel_format), "size": (one.size.width, one.size.height)}]

    def update_stream_config(self, ours, theirs) -> None:  # type: ignore[no-untyped-def]
        configured(self, ours, theirs)
        if ours["format"] == "NV12":
            ours["format"] = "YUV420"

    def process_requests(self, display) -> None:  # type: ignore[no-untyped-def]
        """One frame a turn, not before it is due."""
        state = vars(self).setdefault("bridge", {"due": 0.0, "lost": []})
        with self._requestslock:
            if UNPLUGGED.exists():
                state["lost"] += self._requests
                self._requests = []
            now, later = self._requests[:1], self._requests[1:]
            self._requests = []
        if now:
            time.sleep(max(0.0, state["due"] - time.monotonic()))
            state["due"] = max(state["due"], time.monotonic()) + PERIOD
            planar(now[0])
        with self._requestslock:
            self._requests = now
        processed(self, display)
        with self._requestslock:
            self._requests = later + self._requests
        if later:
            self._run_process_requests()

    def stop(self, request=None):  # type: ignore[no-untyped-def]
        """The virtual camera keeps what it has not begun beyond its stop, and trips over it at the next start."""
        time.sleep(0.05)
        return stopped(self, request)

    library.DmaAllocator = MemoryAllocator  # type: ignore[attr-defined]
    camera._get_raw_modes = raw_modes
    camera.sensor_modes = property(lambda self: [])
    camera._update_stream_config = update_stream_config
    camera.process_requests = process_requests
    camera.stop_ = stop


class Bridged(Loader):
    """Runs a module as its own loader does, then `bridge`."""

    def __init__(self, own: Loader) -> None:
        self.own = own

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.own.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self.own.exec_module(module)
        bridge(module)


class Bridge(MetaPathFinder):
    def find_spec(self, name: str, path: object, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != "picamera2.picamera2":
            return None
        spec = PathFinder.find_spec(name, path, target)  # type: ignore[arg-type]
        if spec is not None and spec.loader is not None:
            spec.loader = Bridged(spec.loader)
        return spec


stand_in("pidng.core", PICAM2DNG=Anything())
stand_in("pidng.camdefs", Picamera2Camera=Anything())
stand_in("pykms", PixelFormat=Anything())
sys.meta_path.insert(0, Bridge())
