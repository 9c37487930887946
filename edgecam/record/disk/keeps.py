"""What the configuration keeps of each kind of media: for how long, and how much."""

from collections.abc import Iterator, Mapping

from edgecam.config import model
from edgecam.media import MediaKind
from edgecam.record.disk.shelf import Keeps

_Kept = model.EventRecord | model.ManualRecord | model.Continuous | model.Timelapse | model.Snapshot


def _kept(record: model.Record, snapshot: model.Snapshot) -> Mapping[MediaKind, _Kept]:
    return {
        MediaKind.EVENT: record.event,
        MediaKind.MANUAL: record.manual,
        MediaKind.CONTINUOUS: record.continuous,
        MediaKind.TIMELAPSE: record.timelapse or model.Timelapse(),
        MediaKind.SNAPSHOT: snapshot,
    }


def ages(record: model.Record, snapshot: model.Snapshot) -> Keeps:
    return {kind: kept.keep for kind, kept in _kept(record, snapshot).items()}


def sizes(record: model.Record, snapshot: model.Snapshot) -> Iterator[tuple[MediaKind, int]]:
    for kind, kept in _kept(record, snapshot).items():
        if kept.keep_size is not None:
            yield kind, kept.keep_size


DEFAULT_AGES = ages(model.Record(), model.Snapshot())
"""For what cameras left behind that are no longer configured."""
