"""Facts of this house in the words of the contract (section 5): plain JSON data. Pure."""

from edgecam.events import (
    ClipLost,
    ConfigRefused,
    ConfigReloaded,
    KeyTaken,
    Motion,
    MotionEnded,
    MotionPicture,
    MotionStarted,
    MotionUpdated,
    SnapshotTaken,
    Suppressed,
)
from edgecam.health import CameraStatus
from edgecam.knobs import Knob, Number, Value
from edgecam.media import Sidecar, iso

Json = dict[str, object]


def on_off(value: bool) -> str:
    return "ON" if value else "OFF"


def setting(knob: Knob, value: Value) -> str:
    """A number of the file that lies beyond what its control can show is told as the nearest that it can: to Home
    Assistant any other is an error, each time.
    """
    if isinstance(value, bool):
        return on_off(value)
    return f"{knob.clamp(float(value)):.10g}" if isinstance(knob, Number) else str(value)


def motion(event: Motion) -> Json:
    """One of motion_started, motion_updated, motion_ended."""
    kinds = {MotionStarted: "motion_started", MotionUpdated: "motion_updated", MotionEnded: "motion_ended"}
    said: Json = {
        "event_type": kinds[type(event)],
        "event_id": event.event_id,
        "camera": event.camera,
        "time": iso(event.at),
        "score": event.score,
        "area": round(event.area, 2),
        "zones": event.zones,
        "cause": event.cause,
    }
    if isinstance(event, MotionEnded):
        said["duration"] = round(event.duration, 3)
    return said


def motion_attributes(event: Motion) -> Json:
    since = event.since if isinstance(event, MotionUpdated | MotionEnded) else event.at
    return {
        "event_id": event.event_id,
        "score": event.score,
        "area": round(event.area, 2),
        "zones": event.zones,
        "cause": event.cause,
        "box": [round(edge, 4) for edge in event.box],
        "since": iso(since),
    } | suppressed(event.suppressed)


def suppressed(look: Suppressed | None) -> Json:
    """The newest look that says anything, where it did not count."""
    return {"suppressed": look and look.reason, "suppressed_at": look and iso(look.at)}


"""The attributes of motion before the first event."""


def clip(event_type: str, media: Sidecar, link: str | None = None, link_expires: float | None = None) -> Json:
    """One of clip_saved, clip_stored; what is not known is left out."""
    said: Json = {
        "event_type": event_type,
        "event_id": media.event_id,
        "camera": media.camera,
        "time": iso(media.end),
        "score": media.score,
        "zones": media.zones,
        "cause": media.cause,
        "duration": round(media.duration, 3),
        "part": media.part,
        "id": media.id,
        "key": media.receipt.key if media.receipt else None,
        "sha256": media.sha256,
        "size": media.size,
        "link": link,
        "link_expires": iso(link_expires) if link and link_expires is not None else None,
    }
    return {name: value for name, value in said.items() if value is not None}


def snapshot_taken(event: SnapshotTaken) -> Json:
    said: Json = {"event_type": "snapshot_taken", "camera": event.camera, "time": iso(event.at)}
    if event.media is not None:
        said |= {"id": event.media.id, "sha256": event.media.sha256, "size": event.media.size}
    return said


def offload_dropped(event: ClipLost) -> Json:
    said = {"event_type": "offload_dropped", "camera": event.camera, "time": iso(event.at)}
    return {**said, "id": event.media.media.name, "size": event.media.size, "reason": event.why}


def offload_conflict(event: KeyTaken) -> Json:
    said = {"event_type": "offload_conflict", "camera": event.camera, "time": iso(event.at)}
    return {**said, "id": event.media.media.name, "size": event.media.size, "key": event.key}


def config_reloaded(event: ConfigReloaded) -> Json:
    said: Json = {"event_type": "config_reloaded", "time": iso(event.at)}
    return said | {"changed": event.changed, "restarted": event.restarted}


def config_error(event: ConfigRefused) -> Json:
    return {"event_type": "config_error", "time": iso(event.at), "problems": event.problems}


def snapshot_attributes(camera: str, at: float, size: tuple[int, int], url: str) -> Json:
    """`url` is the page's; how to watch live stands here because discovery cannot carry it."""
    return {
        "time": iso(at),
        "resolution": f"{size[0]}x{size[1]}",
        "stream_url": f"{url}cameras/{camera}/stream.mjpg",
        "snapshot_url": f"{url}cameras/{camera}/snapshot.jpg",
    }


def picture_attributes(event: MotionPicture) -> Json:
    size = f"{event.width}x{event.height}"
    return {"event_id": event.event_id, "time": iso(event.at), "score": event.score, "resolution": size}


def camera_state(status: CameraStatus) -> Json:
    """What is true of the camera now, rounded."""
    times = {
        "blind_until": status.blind_until,
        "last_motion": status.last_motion,
        "last_clip": status.last_clip,
        "last_stored": status.last_stored,
    }
    said: Json = {
        "state": status.state,
        "problem": status.problem,
        "recording": status.recording,
        "light": status.light,
        "fps": round(status.fps, 1),
        "clients": status.clients,
        "resolution": f"{status.width}x{status.height}" if status.width else None,
        "buffer_seconds": round(status.buffer_seconds),
        "blind": status.blind,
        "blind_percent": status.blind_percent,
        "blind_seconds": round(status.blind_seconds),
    }
    return said | {name: None if at is None else iso(at) for name, at in times.items()}
