"""Continuous recording: every frame in exactly one file, each of the same length, whatever else happens."""

from edgecam.media import MediaKind
from edgecam.record.draft import Draft, born
from edgecam.record.plan import Open
from edgecam.record.tape import Tape


class ContinuousTape(Tape):
    """Its plan is one that never ends (`Plan.endless`)."""

    kind = MediaKind.CONTINUOUS

    def draft(self, action: Open) -> Draft:
        birth = self._library.births(action.first.wall, action.first.mono)
        return born(birth, birth.id(self.camera, self.kind), "continuous")
