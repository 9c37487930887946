"""An HTTP camera in a thread of its own, for tests that look at the daemon from outside."""

import asyncio
import threading
import time
from types import TracebackType
from typing import Self

from httpcam import Fault, HttpCam


class Cam:
    """`HttpCam` that a plain test can switch on and off; it keeps its port."""

    def __init__(self, jpegs: list[bytes], fps: float, *, loop: bool = True) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="camera", daemon=True)
        self._thread.start()
        self._jpegs, self._fps, self._repeat = jpegs, fps, loop
        self._cam: HttpCam | None = None
        self._port = 0
        self.began = 0.0
        """Unix seconds of the first picture."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/stream"

    @property
    def still(self) -> str:
        return f"http://127.0.0.1:{self._port}/still.jpg"

    @property
    def connections(self) -> int:
        """Clients that are connected now."""
        return self._cam.connections if self._cam else 0

    @property
    def asked(self) -> int:
        """Requests since it was switched on."""
        return len(self._cam.requests) if self._cam else 0

    def on(self, fault: Fault = Fault.NONE) -> Self:
        """Start from the first picture."""
        self._cam = HttpCam(self._jpegs, self._fps, port=self._port, loop=self._repeat, fault=fault)
        asyncio.run_coroutine_threadsafe(self._cam.__aenter__(), self._loop).result(10)
        self._port, self.began = self._cam.port, time.time()
        return self

    def break_(self, fault: Fault) -> None:
        assert self._cam is not None
        self._cam.fault = fault

    def off(self) -> None:
        """The power is cut."""
        cam, self._cam = self._cam, None
        if cam is not None:
            asyncio.run_coroutine_threadsafe(cam.stop(), self._loop).result(10)

    def __enter__(self) -> Self:
        return self.on()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.off()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
