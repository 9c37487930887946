"""Score: how well found motion agrees with what a person labelled. Pure: spans of frames in, counts out.

The rules. Labelled events nearer than a second to each other are one event, and so are runs of motion. An event is hit
when motion is seen between half a second before its label begins and the label's end; people label late. Motion from
then until a second and a half after an event is never wrong, nor is it in what the labels say to ignore and as long
after. All other motion is: each run of it is a false event, and one more for each full ten seconds it lasts, so that a
detector that is always on does not look good. What comes before the first scored frame is warm-up and counts for
nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

NEAR = 1.0
"""Seconds between two spans that are still one."""
EARLY = 0.5
"""Seconds before a label in which motion already belongs to it."""
TAIL = 1.5
"""Seconds after a label in which motion is not false."""
LONG = 10.0
"""Each full so many seconds of a false run are another false event."""

Span = tuple[int, int]
"""First and last frame, both included."""


@dataclass(frozen=True, slots=True)
class Labels:
    """What a person says of one clip."""

    fps: float
    first: int
    """The first frame that is scored."""
    last: int
    events: tuple[Span, ...] = ()
    ignored: tuple[Span, ...] = ()
    timed: bool = True
    """False: an event is somewhere in its span, nobody said where, so it has no delay."""


@dataclass(frozen=True, slots=True)
class Run:
    """Confirmed motion: from its first moving look to its last one."""

    first: int
    last: int
    told: int
    """The look that confirmed it: no sooner could anybody be told."""


@dataclass(frozen=True, slots=True)
class Score:
    """Counts of one clip or of several; what has no meaning without an event, a find or a quiet second is None."""

    events: int = 0
    hits: int = 0
    false_events: int = 0
    quiet: float = 0.0
    """Seconds in which motion would have been wrong."""
    delays: tuple[float, ...] = ()
    """Seconds from the beginning of each label that was hit until motion was confirmed."""

    @property
    def recall(self) -> float | None:
        """The share of the events that was hit."""
        return self.hits / self.events if self.events else None

    @property
    def precision(self) -> float | None:
        """The share of what was found that was right."""
        found = self.hits + self.false_events
        return self.hits / found if found else None

    @property
    def f1(self) -> float | None:
        """Recall and precision in one figure, their harmonic mean."""
        return 2 * self.hits / (self.events + self.hits + self.false_events) if self.events else None

    @property
    def false_per_hour(self) -> float | None:
        return 3600 * self.false_events / self.quiet if self.quiet else None

    def delay(self, share: float) -> float | None:
        """The delay in seconds that this share (0..1) of the hits keeps; 0.5 is the median."""
        ordered = sorted(self.delays)
        if not ordered:
            return None
        place = share * (len(ordered) - 1)
        below = ordered[int(place)]
        above = ordered[min(int(place) + 1, len(ordered) - 1)]
        return below + (above - below) * (place - int(place))


def together(scores: Iterable[Score]) -> Score:
    """Several clips as one: counts are added, so each event weighs the same."""
    every = list(scores)
    return Score(
        events=sum(one.events for one in every),
        hits=sum(one.hits for one in every),
        false_events=sum(one.false_events for one in every),
        quiet=sum(one.quiet for one in every),
        delays=tuple(delay for one in every for delay in one.delays),
    )


def score(labels: Labels, runs: Sequence[Run]) -> Score:
    """One clip. `runs` are in order."""
    fps, found, events = labels.fps, joined_runs(runs, NEAR * labels.fps), scored_events(labels)
    hits, delays = 0, []
    for first, last in events:
        opens = max(labels.first, int(first - EARLY * fps))
        hit = next((run for run in found if run.last >= opens and run.first <= last), None)
        if hit is None:
            continue
        hits += 1
        if labels.timed and first >= labels.first:
            delays.append(max(0, hit.told - first) / fps)
    return Score(
        events=len(events),
        hits=hits,
        false_events=sum(1 + int(length(span) / fps // LONG) for span in false_spans(labels, runs)),
        quiet=sum(map(length, without((labels.first, labels.last), _never_false(labels)))) / fps,
        delays=tuple(delays),
    )


def scored_events(labels: Labels) -> list[Span]:
    """The labelled events that count: joined, and not over before scoring begins."""
    events = joined(labels.events, NEAR * labels.fps)
    return [span for span in events if labels.first < span[1] and span[0] <= labels.last]


def false_spans(labels: Labels, runs: Sequence[Run]) -> list[Span]:
    """Motion where none was, in order; one that lasts is still one span."""
    allowed = _never_false(labels)
    return [
        piece
        for run in joined_runs(runs, NEAR * labels.fps)
        for piece in without((max(run.first, labels.first), min(run.last, labels.last)), allowed)
    ]


def _never_false(labels: Labels) -> list[Span]:
    """Where motion is never wrong."""
    early, tail = EARLY * labels.fps, TAIL * labels.fps
    around = [(int(first - early), int(last + tail)) for first, last in scored_events(labels)]
    return around + [(first, int(last + tail)) for first, last in labels.ignored]


def joined(spans: Iterable[Span], gap: float) -> list[Span]:
    """In order, those no more than `gap` frames apart as one."""
    out: list[Span] = []
    for first, last in sorted(spans):
        if out and first - out[-1][1] <= gap:
            out[-1] = (out[-1][0], max(out[-1][1], last))
        else:
            out.append((first, last))
    return out


def joined_runs(runs: Sequence[Run], gap: float) -> list[Run]:
    """The same for runs, which are in order and apart; the first of those joined says when it was told."""
    told = {run.first: run.told for run in runs}
    return [Run(first, last, told[first]) for first, last in joined([(run.first, run.last) for run in runs], gap)]


def without(span: Span, holes: Iterable[Span]) -> list[Span]:
    """What is left of a span, in order; nothing of one that ends before it begins."""
    pieces, begin = [], span[0]
    for first, last in sorted(holes):
        if last < begin:
            continue
        if first > span[1]:
            break
        if first > begin:
            pieces.append((begin, first - 1))
        begin = last + 1
    if begin <= span[1]:
        pieces.append((begin, span[1]))
    return pieces


def length(span: Span) -> int:
    """Frames."""
    return span[1] - span[0] + 1
