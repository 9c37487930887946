#!/usr/bin/python3
"""A network camera: GStreamer's own RTSP server, for the system's Python (Debian's gi), one process per camera.

Serves /main, and /sub when it has a size. Each picture bears its number as blocks (`edgecam.sources.overlay`); each
client's first is 0. `tests/peers.py` starts it; it ends with a signal.
"""

import argparse
import sys
from collections.abc import Iterable

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gio, GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

VIDEO = {
    "h264": "x264enc tune=zerolatency sliced-threads=false speed-preset=ultrafast bitrate=2000 key-int-max={gop} "
    "bframes={bframes} "
    "! video/x-h264,profile=main ! h264parse ! rtph264pay name=pay0 pt=96 config-interval={sets}",
    "h265": "x265enc tune=zerolatency speed-preset=ultrafast bitrate=2000 key-int-max={gop} "
    "! h265parse ! rtph265pay name=pay0 pt=96 config-interval={sets}",
    "mjpeg": "jpegenc ! rtpjpegpay name=pay0 pt=26",
}
SOUND = {
    "none": "",
    "aac": "audiotestsrc is-live=true ! audio/x-raw,rate=48000,channels=1 ! voaacenc ! aacparse "
    "! rtpmp4gpay name=pay1 pt=97",
    "pcma": "audiotestsrc is-live=true ! audio/x-raw,rate=8000,channels=1 ! alawenc ! rtppcmapay name=pay1 pt=8",
    "opus": "audiotestsrc is-live=true ! audio/x-raw,rate=48000,channels=1 ! opusenc ! rtpopuspay name=pay1 pt=97",
}
DARK, LIGHT, BITS = 48, 176, 32


class Scene:
    """A gradient that moves, and the number. I420; the width is a multiple of 16."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.side = 8 * max(1, round(width / 1280)) if width >= (BITS + 2) * 8 else max(1, width // (BITS + 2))
        self.ramp = bytes(60 + 120 * x // width for x in range(width)) * 2
        self.chroma = bytes([128]) * (width * height // 2)

    def draw(self, number: int) -> bytes:
        row = self.ramp[number % self.width :][: self.width]
        picture = bytearray(row * self.height + self.chroma)
        bits = b"".join(bytes([LIGHT if number >> bit & 1 else DARK]) * self.side for bit in range(BITS - 1, -1, -1))
        top = (self.height // self.side - 2) * self.side
        for line in range(top, top + self.side):
            at = line * self.width + self.side
            picture[at : at + len(bits)] = bits
        return bytes(picture)


def factory(given: argparse.Namespace, size: str, sound: str) -> GstRtspServer.RTSPMediaFactory:
    width, height = map(int, size.split("x"))
    scene, step = Scene(width, height), Gst.SECOND // given.fps
    video = VIDEO[given.codec].format(gop=given.gop, sets=given.sets, bframes=given.bframes)
    made = GstRtspServer.RTSPMediaFactory()
    made.set_launch(
        "( appsrc name=pictures format=time is-live=true "
        f"caps=video/x-raw,format=I420,width={width},height={height},framerate={given.fps}/1,colorimetry=bt601 "
        f"! queue ! {video} {SOUND[sound]} )"
    )

    def feed(source: Gst.Element, _: int, count: list[int]) -> None:
        buffer = Gst.Buffer.new_wrapped(scene.draw(count[0]))
        buffer.pts, buffer.duration = count[0] * step, step
        count[0] += 1
        source.emit("push-buffer", buffer)

    def configured(_: GstRtspServer.RTSPMediaFactory, media: GstRtspServer.RTSPMedia) -> None:
        media.get_element().get_by_name("pictures").connect("need-data", feed, [0])

    made.connect("media-configure", configured)
    return made


def protect(
    server: GstRtspServer.RTSPServer, factories: Iterable[GstRtspServer.RTSPMediaFactory], given: argparse.Namespace
) -> None:
    """Only the user may come in."""
    auth, token = GstRtspServer.RTSPAuth(), GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "user")
    if given.auth == "digest":
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(given.user, given.password, token)
    else:
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(given.user, given.password), token)
    if given.tls:
        auth.set_tls_certificate(Gio.TlsCertificate.new_from_files(*given.tls))
    server.set_auth(auth)
    for made in factories:
        permissions = GstRtspServer.RTSPPermissions()
        for what in ("access", "construct"):
            permissions.add_permission_for_role("user", f"media.factory.{what}", True)
        made.set_permissions(permissions)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", default="0")
    parser.add_argument(
        "--check", action="store_true", help="only say by the exit code whether all that it needs is there"
    )
    parser.add_argument("--codec", choices=VIDEO, default="h264")
    parser.add_argument("--audio", choices=SOUND, default="none")
    parser.add_argument("--size", default="320x240")
    parser.add_argument("--sub", help="size of /sub")
    parser.add_argument("--fps", type=int, default=15)
    parser.add_argument("--gop", type=int, default=15)
    parser.add_argument("--bframes", type=int, default=0)
    parser.add_argument(
        "--sets", type=int, default=-1, help="seconds between parameter sets; -1: every keyframe; 0: in the SDP only"
    )
    parser.add_argument("--auth", choices=("none", "basic", "digest"), default="none")
    parser.add_argument("--user", default="anna")
    parser.add_argument("--password", default="")
    parser.add_argument("--tls", nargs=2, metavar=("CERTIFICATE", "KEY"), help="speaks RTSPS; with a password only")
    given = parser.parse_args()
    Gst.init(None)
    if given.check:
        needed = {word for line in (*VIDEO.values(), *SOUND.values()) for word in line.split() if "=" not in word}
        sys.exit(not all(Gst.ElementFactory.find(name) for name in needed if name.isalnum()))
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(given.port)
    mounts = server.get_mount_points()
    factories = {"/main": factory(given, given.size, given.audio)}
    if given.sub:
        factories["/sub"] = factory(given, given.sub, "none")
    for path, made in factories.items():
        mounts.add_factory(path, made)
    if given.auth != "none":
        protect(server, factories.values(), given)
    if not server.attach(None):
        sys.exit("the port is taken")
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
