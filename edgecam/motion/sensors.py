"""Sensors: what moves in each named zone, with a gate of its own. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from edgecam.config import model
from edgecam.motion.gate import Ended, Fact, Gate, Moved, Started


@dataclass(frozen=True, slots=True)
class Switched:
    """A zone's sensor went on or off. `at`: its first moving look, or its last one."""

    zone: str
    on: bool
    at: float


class Sensors:
    """One binary sensor for each zone of a camera, in the file's order. A zone without a cooldown has the camera's."""

    def __init__(self, zones: Mapping[str, model.Zone], confirm: int, cooldown: float) -> None:
        self._own = {name for name, zone in zones.items() if zone.cooldown is not None}
        self._gates = {
            name: Gate(confirm, cooldown if zone.cooldown is None else zone.cooldown) for name, zone in zones.items()
        }
        self.names = tuple(zones)
        self.moving: tuple[str, ...] = ()
        """The zones in which the newest look has shown motion that is confirmed."""
        self._shut: Collection[str] = ()

    def tune(self, cooldown: float) -> None:
        """Another cooldown of the camera, in seconds; it counts at once."""
        for name in self._gates.keys() - self._own:
            self._gates[name].tune(cooldown)

    def shut(self, zones: Collection[str]) -> list[Switched]:
        """From now on these, and no others, are touched by no look. What is on of them goes off."""
        self._shut = zones
        return _switched({name: self._gates[name].close() for name in self.names if name in zones})

    def look(self, at: float, touched: Collection[str], follows: bool = True) -> list[Switched]:
        """One look, at `at` (monotonic seconds, growing), that has touched these zones; see Gate for `follows`."""
        touched = set(touched).difference(self._shut)
        told = {name: gate.look(at, name in touched, follows) for name, gate in self._gates.items()}
        self.moving = tuple(name for name, facts in told.items() if any(isinstance(fact, Moved) for fact in facts))
        return _switched(told)

    def tick(self, now: float) -> list[Switched]:
        """Time passed without a look."""
        return _switched({name: gate.tick(now) for name, gate in self._gates.items()})

    def close(self) -> list[Switched]:
        """All off now."""
        self.moving = ()
        return _switched({name: gate.close() for name, gate in self._gates.items()})


def _switched(told: Mapping[str, list[Fact]]) -> list[Switched]:
    return [
        Switched(name, isinstance(fact, Started), fact.at)
        for name, facts in told.items()
        for fact in facts
        if isinstance(fact, Started | Ended)
    ]
