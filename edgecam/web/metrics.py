"""`/metrics`: health as Prometheus text (exposition format 0.0.4). Pure."""

from collections.abc import Callable, Iterable, Mapping

from edgecam import __version__
from edgecam.health import CameraStatus, Health, PublishState, PublishStatus, SpoolStatus, StoreState
from edgecam.web.fanout import Sent

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_CAMERA: Mapping[str, tuple[str, str, Callable[[CameraStatus], float | None]]] = {
    "online": ("gauge", "1 while frames come or nobody wants any", lambda it: it.online),
    "frames_total": ("counter", "Frames captured since start", lambda it: it.frames),
    "fps": ("gauge", "Frames per second over the last few seconds", lambda it: it.fps),
    "reconnects_total": ("counter", "Lives of the source that failed", lambda it: it.reconnects),
    "stream_clients": ("gauge", "Viewers of the live stream", lambda it: it.clients),
    "buffer_seconds": ("gauge", "How far back the pre-roll reaches", lambda it: it.buffer_seconds),
    "motion": ("gauge", "1 while something moves", lambda it: it.moving),
    "motion_looks_total": ("counter", "Frames looked at for motion", lambda it: it.looks),
    "motion_blind_seconds_total": ("counter", "Time without looks, by schedule or duty", lambda it: it.blind_seconds),
    "motion_drawn_total": ("counter", "Looks drawn for viewers of the debug view", lambda it: it.drawn),
    "last_motion_timestamp_seconds": ("gauge", "Last moving frame", lambda it: it.last_motion),
    "recording": ("gauge", "1 while a clip is open", lambda it: it.recording),
    "clips_total": ("counter", "Clips saved since start", lambda it: it.clips),
    "timelapse_stills_total": ("counter", "Timelapse stills kept since start", lambda it: it.stills),
    "timelapse_missed_total": ("counter", "Timelapse moments without a picture", lambda it: it.stills_missed),
    "last_clip_timestamp_seconds": ("gauge", "End of the last saved clip", lambda it: it.last_clip),
    "last_stored_timestamp_seconds": ("gauge", "When something was last stored", lambda it: it.last_stored),
    "problem": ("gauge", "1 while something is wrong with the camera", lambda it: it.problem is not None),
}

_PUBLISH: Mapping[str, tuple[str, str, Callable[[PublishStatus], float]]] = {
    "publishing": ("gauge", "1 while the RTSP server takes the stream", lambda it: it.state is PublishState.PUBLISHING),
    "published_frames_total": ("counter", "Frames given to the RTSP server", lambda it: it.frames),
    "published_bytes_total": ("counter", "Bytes given to the RTSP server", lambda it: it.bytes),
    "publish_dropped_total": ("counter", "Frames that the RTSP server was too slow for", lambda it: it.dropped),
    "publish_reconnects_total": ("counter", "Sessions after one that broke", lambda it: it.reconnects),
}

_BOX: Mapping[str, tuple[str, str, Callable[[Health], float | None]]] = {
    "start_time_seconds": ("gauge", "When the daemon started", lambda it: it.started),
    "problems": ("gauge", "Things that a person should look at", lambda it: len(it.problems())),
    "spool_files": ("gauge", "Media that waits for the store", lambda it: it.spool.files),
    "spool_bytes": ("gauge", "Bytes that wait for the store", lambda it: it.spool.bytes),
    "spool_oldest_timestamp_seconds": ("gauge", "Start of the oldest waiting media", lambda it: it.spool.oldest),
    "stored_total": ("counter", "Media that the store confirmed since start", lambda it: it.spool.stored),
    "stored_bytes_total": ("counter", "Bytes of media that the store confirmed", lambda it: it.spool.bytes_stored),
    "store_rate_bytes_per_second": ("gauge", "What left the box over the last minute", lambda it: it.spool.rate()),
    "store_failures_total": ("counter", "Attempts that brought nothing to the store", lambda it: it.spool.failures),
    "lost_total": ("counter", "Media that was dropped before it was stored", lambda it: it.spool.lost),
    "conflicts_total": ("counter", "Object keys that held something else", lambda it: it.spool.conflicts),
    "torn_total": ("counter", "Torn uploads of ours that were replaced", lambda it: it.spool.torn),
    "spool_bad": ("gauge", "Media that lies in spool/bad", lambda it: it.spool.bad),
    "last_stored_timestamp_seconds": ("gauge", "When anything was last stored", lambda it: it.spool.last_stored),
    "mqtt_connected": (
        "gauge",
        "1 while the broker answers",
        lambda it: it.mqtt.connected if it.mqtt.configured else None,
    ),
}


_SENT: Mapping[str, tuple[str, Callable[[Sent], float]]] = {
    "stream_frames_total": ("Frames delivered to viewers", lambda it: it.frames),
    "stream_skipped_total": ("Frames that viewers on slow links missed", lambda it: it.skipped),
    "stream_bytes_total": ("Bytes delivered to viewers", lambda it: it.bytes),
}


def render(health: Health, sent: Mapping[str, Sent]) -> str:
    """`sent` is what each camera's viewers got. What is not known is left out."""
    lines = [*_family("edgecam_info", "gauge", "The running version", [(f'{{version="{__version__}"}}', 1)])]
    for name, (kind, words, read) in _BOX.items():
        lines += _family(f"edgecam_{name}", kind, words, [("", read(health))])
    lines += _store(health.spool)
    for name, (kind, words, value) in _CAMERA.items():
        samples = [(_label(id), value(camera)) for id, camera in health.cameras.items()]
        lines += _family(f"edgecam_camera_{name}", kind, words, samples)
    for name, (kind, words, told) in _PUBLISH.items():
        published = [(_label(id), told(it.publish)) for id, it in health.cameras.items() if it.publish]
        lines += _family(f"edgecam_camera_{name}", kind, words, published)
    for name, (words, count) in _SENT.items():
        counts = [(_label(id), count(it)) for id, it in sent.items()]
        lines += _family(f"edgecam_camera_{name}", "counter", words, counts)
    return "\n".join(lines) + "\n"


def _store(spool: SpoolStatus) -> list[str]:
    """How the store stands, and the histogram of what passed between the end of a recording and its receipt."""
    states = [(f'{{state="{state}"}}', float(spool.state is state)) for state in StoreState]
    samples = list[tuple[str, float | None]]()
    for kind, delays in spool.delays.items():
        told = f'kind="{kind}"'
        samples += [(f'_bucket{{{told},le="{edge:g}"}}', count) for edge, count in delays.buckets()]
        samples += [(f'_bucket{{{told},le="+Inf"}}', delays.count)]
        samples += [(f"_sum{{{told}}}", delays.sum), (f"_count{{{told}}}", delays.count)]
    words = "Seconds from the end of a recording to its receipt"
    return [
        *_family("edgecam_store_state", "gauge", "1 for the state that the store is in", states),
        *_family("edgecam_store_delay_seconds", "histogram", words, samples),
    ]


def _label(camera: str) -> str:
    return f'{{camera="{camera}"}}'


def _family(name: str, kind: str, words: str, samples: Iterable[tuple[str, float | None]]) -> list[str]:
    """Head and samples of one metric; nothing when no sample is known."""
    known = [f"{name}{label} {float(value):.15g}" for label, value in samples if value is not None]
    return [f"# HELP {name} {words}", f"# TYPE {name} {kind}", *known] if known else []
