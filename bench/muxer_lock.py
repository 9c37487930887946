"""How long other threads stand still while PyAV begins to publish to an RTSP server that accepts and says nothing.

python bench/muxer_lock.py
"""

import socket
import threading
import time
from fractions import Fraction

import av

TIMEOUT = 3.0
KEY = bytes.fromhex("00000001674200 0ada0f0a69a8080808 0000000168ce3c80 0000000165b80040".replace(" ", ""))


def push(port: int) -> None:
    options = {"rtsp_transport": "tcp", "timeout": str(int(TIMEOUT * 1e6))}
    out = av.open(f"rtsp://127.0.0.1:{port}/cam", "w", format="rtsp", options=options)
    stream = out.add_mux_stream("h264", width=320, height=240, time_base=Fraction(1, 90_000))
    packet = av.Packet(KEY)
    packet.stream, packet.time_base, packet.is_keyframe = stream, Fraction(1, 90_000), True
    packet.pts = packet.dts = 0
    try:
        out.mux(packet)
    except av.FFmpegError as error:
        print(f"the muxer gave up: {error}")


def main() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        pushing = threading.Thread(target=push, args=(silent.getsockname()[1],), daemon=True)
        pushing.start()
        longest, before = 0.0, time.monotonic()
        while pushing.is_alive():
            time.sleep(0.01)
            now = time.monotonic()
            longest, before = max(longest, now - before), now
    print(f"time-out {TIMEOUT:.1f} s; another thread stood still for up to {longest:.2f} s")


if __name__ == "__main__":
    main()
