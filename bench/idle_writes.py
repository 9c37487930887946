"""What an idle daemon writes to the disk: `python bench/idle_writes.py [minutes]`, with a broker and a quiet camera.

The kernel's own count of bytes that reach a block device (proc(5) io, write_bytes), so TMPDIR must lie on one.
"""

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from outside import Ear, Edgecam
from peers import Mosquitto

HOUR = 3600.0


def written(pid: int) -> int:
    lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    return int(dict(line.split(": ") for line in lines)["write_bytes"])


def main(minutes: float) -> None:
    with tempfile.TemporaryDirectory() as folder, Mosquitto(Path(folder) / "mqtt") as broker, Ear(broker.port) as ear:
        quiet = {"type": "synthetic", "size": "640x360", "fps": 15, "schedule": {"every": "12h", "move": "0s"}}
        mqtt = {"host": "127.0.0.1", "port": broker.port}
        box = Edgecam(Path(folder) / "box", {"mqtt": mqtt, "cameras": {"wall": {"source": quiet}}})
        with box:
            assert box.process
            ear.wait("online", lambda heard: heard.topic.endswith("testbox/status"), 30)
            time.sleep(20)
            start, began = written(box.process.pid), time.monotonic()
            time.sleep(minutes * 60)
            more, seconds = written(box.process.pid) - start, time.monotonic() - began
            clips = len(box.sidecars())
            print(f"{start} bytes at start and in the first 20 s; then {more} bytes in {seconds:.0f} s,")
            print(f"{more / seconds * HOUR / 1e6:.3f} MB an hour; {clips} clips, {len(ear.all(''))} MQTT messages")


if __name__ == "__main__":
    main(float(sys.argv[1]) if sys.argv[1:] else 10.0)
