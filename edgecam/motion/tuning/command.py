"""Tune: what today's motion settings are worth on labelled videos, and whether better ones are near."""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from edgecam.bars import bars
from edgecam.config import model
from edgecam.motion.tuning import labelled
from edgecam.motion.tuning.labelled import Unlabelled
from edgecam.motion.tuning.score import Score, Span, false_spans, scored_events
from edgecam.motion.tuning.search import Result, Setting, Watched, best, results, watch_all

FEW = 20
"""With fewer labelled events than these the figures are a hint."""
MOST_LANES = 100
"""Clips in one plot."""


def yaml(found: Setting, today: Setting) -> str:
    """The lines to paste under the camera."""
    lines = [
        "motion:",
        f"  sensitivity: {found.sensitivity}",
        f"  min_area: {found.min_area:g}%",
        f"  min_frames: {found.min_frames}",
    ]
    if today.threshold is not None:
        lines.append(f"  threshold: {'null' if found.threshold is None else format(found.threshold, 'g')}")
    return "\n".join(lines)


def main(folder: Path, config: model.Motion, *, plot: Path | None, as_json: bool) -> int:
    """Tune, print, draw. Returns the exit code: 1 something could not be read or drawn, 2: usage."""
    try:
        clips = labelled.read(folder)
    except Unlabelled as error:
        sys.stderr.write(f"edgecam tune: {error}\n")
        return 2
    if plot is not None and not plot.parent.is_dir():
        sys.stderr.write(f"edgecam tune: --plot: there is no folder {plot.parent}\n")
        return 2
    with bars() as bar:
        watched, bad = watch_all(clips, config, bar("clips"))
    for unreadable in bad:
        sys.stderr.write(f"edgecam tune: {unreadable}\n")
    if not watched:
        return 1
    tried = results(watched)
    chosen = best(tried)
    words = _json if as_json else _text
    sys.stdout.write(words(tried, chosen, list(map(str, bad)), config.fps) + "\n")
    sys.stdout.flush()
    drawn = plot is None or _drawn(plot, watched, chosen.setting)
    return 1 if bad or not drawn else 0


def _json(tried: Sequence[Result], chosen: Result, bad: Sequence[str], fps: float) -> str:
    return json.dumps(
        {
            "clips": len(chosen.clips),
            "unreadable": bad,
            "looks_per_second": fps,
            "settings_tried": len(tried),
            "current": _result(tried[0]),
            "best": _result(chosen),
            "yaml": yaml(chosen.setting, tried[0].setting),
        }
    )


def _result(one: Result) -> dict[str, object]:
    return {
        "sensitivity": one.setting.sensitivity,
        "min_area": one.setting.min_area,
        "min_frames": one.setting.min_frames,
        "threshold": one.setting.threshold,
        "cpu_ms_per_look": round(one.cpu_ms_per_look, 3),
        "total": _figures(one.score),
        "clips": [{"id": name, **_figures(each)} for name, each in one.clips],
    }


def _figures(found: Score) -> dict[str, object]:
    """What has no meaning is null."""

    def rounded(value: float | None) -> float | None:
        return None if value is None else round(value, 4)

    return {
        "events": found.events,
        "hits": found.hits,
        "false_events": found.false_events,
        "recall": rounded(found.recall),
        "precision": rounded(found.precision),
        "f1": rounded(found.f1),
        "quiet_seconds": rounded(found.quiet),
        "false_per_hour": rounded(found.false_per_hour),
        "delay_median": rounded(found.delay(0.5)),
        "delay_p90": rounded(found.delay(0.9)),
    }


def _text(tried: Sequence[Result], chosen: Result, bad: Sequence[str], fps: float) -> str:
    today, events = tried[0], chosen.score.events
    count = f"{len(chosen.clips)} clip{'s' * (len(chosen.clips) != 1)}"
    if bad:
        count += f" ({len(bad)} more could not be read)"
    quiet = f"{chosen.score.quiet:.0f} s of quiet"
    lines = [
        f"{count}, {events} event{'s' * (events != 1)}, {quiet}; {len(tried)} settings tried",
        "",
        f"{'':18}{'today':>12}{'best':>12}",
    ]
    lines += [f"{name:18}{one:>12}{other:>12}" for name, one, other in _rows(today, chosen, fps)]
    lines.append("")
    if chosen is today:
        lines.append("Nothing tried is better than today's settings. They are:")
    else:
        lines.append("To paste under the camera:")
    lines += ["", yaml(chosen.setting, today.setting)]
    if events < FEW:
        lines += [
            "",
            f"With {events} labelled event{'s' * (events != 1)} this is a hint: label more, of other days.",
        ]
    return "\n".join(lines)


def _rows(today: Result, chosen: Result, fps: float) -> list[tuple[str, str, str]]:
    """The table: what, today's, the best."""

    def told(value: float | None, form: str) -> str:
        return "-" if value is None else format(value, form)

    rows: list[tuple[str, Callable[[Result], str]]] = [
        ("sensitivity", lambda one: str(one.setting.sensitivity)),
        ("min_area", lambda one: f"{one.setting.min_area:g}%"),
        ("min_frames", lambda one: str(one.setting.min_frames)),
        ("events hit", lambda one: f"{one.score.hits} of {one.score.events}"),
        ("false events", lambda one: str(one.score.false_events)),
        ("recall", lambda one: told(one.score.recall, ".2f")),
        ("precision", lambda one: told(one.score.precision, ".2f")),
        ("F1", lambda one: told(one.score.f1, ".2f")),
        ("false per hour", lambda one: told(one.score.false_per_hour, ".1f")),
        ("delay, median s", lambda one: told(one.score.delay(0.5), ".2f")),
        ("delay, 9 of 10 s", lambda one: told(one.score.delay(0.9), ".2f")),
        ("CPU ms per look", lambda one: f"{one.cpu_ms_per_look:.2f}"),
        (f"% of a core at {fps:g}/s", lambda one: f"{one.cpu_ms_per_look * fps / 10:.2f}"),
    ]
    if today.setting.threshold is not None:
        rows.insert(1, ("threshold", lambda one: told(one.setting.threshold, "g")))
    return [(name, value(today), value(chosen)) for name, value in rows]


def _warming(one: Watched) -> list[Span]:
    """What is looked at before anything counts."""
    return [(one.begins, one.labels.first - 1)] if one.begins < one.labels.first else []


def _drawn(path: Path, watched: Sequence[Watched], setting: Setting) -> bool:
    """Write the plot of one setting; says what is wrong."""
    from edgecam.motion.tuning.plot import Lane, png

    if len(watched) > MOST_LANES:
        sys.stderr.write(f"edgecam tune: the plot has the first {MOST_LANES} of {len(watched)} clips\n")
    keenest = max(watched[0].trials, key=lambda one: (one.threshold is None, one.sensitivity, -one.min_area))
    lanes = [
        Lane(
            name=one.name,
            fps=one.labels.fps,
            first=one.begins,
            last=one.labels.last,
            looks=one.looks,
            scores=one.trials[setting].scores,
            keenest=one.trials[keenest].scores,
            events=scored_events(one.labels),
            ignored=(*_warming(one), *one.labels.ignored),
            found=[(run.first, run.last) for run in one.trials[setting].runs],
            false=false_spans(one.labels, one.trials[setting].runs),
        )
        for one in watched[:MOST_LANES]
    ]
    try:
        path.write_bytes(png(lanes))
    except OSError as error:
        sys.stderr.write(f"edgecam tune: --plot: {path}: {error.strerror or error}\n")
        return False
    return True
