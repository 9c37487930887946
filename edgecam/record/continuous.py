"""Continuous recording: every frame in exactly one file, each of the same length, whatever else happens."""

from edgecam.media import MediaId, MediaKind
from edgecam.record.draft import Draft
from edgecam.record.plan import Open
from edgecam.record.tape import Tape


class ContinuousTape(Tape):
    """Its plan is one that never ends (`Plan.endless`)."""

    kind = MediaKind.CONTINUOUS

    def draft(self, action: Open) -> Draft:
        first = action.first
        return Draft(id=MediaId.new(first.wall, self.camera, self.kind).text, start=first.wall, cause="continuous")
