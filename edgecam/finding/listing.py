"""`edgecam cameras`: what was found, for people, for programs, or as one file per camera.

What people see is YAML: comments say what it is, the rest can be pasted.
"""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from edgecam.finding import Found, Mode
from edgecam.finding.look import Outcome, look
from edgecam.finding.stanza import ids, stanza

MOST_SIZES = 8
"""Sizes of one format that people are shown."""


def main(*, as_json: bool, write: Path | None, looking: Callable[[], Outcome] = look) -> int:
    """Look, tell, and return the exit code: 1 when looking or writing failed."""
    outcome = looking()
    stanzas = {id: stanza(id, camera) for id, camera in zip(ids(outcome.cameras), outcome.cameras, strict=True)}
    if as_json:
        sys.stdout.write(_json(outcome, stanzas) + "\n")
    else:
        sys.stdout.write("".join(f"{line}\n" for line in _text(outcome, stanzas)))
    for failure in outcome.failures:
        sys.stderr.write(f"edgecam cameras: {failure}\n")
    written = write is None or _write(write, stanzas)
    return 0 if written and not outcome.failures else 1


def _json(outcome: Outcome, stanzas: dict[str, str]) -> str:
    cameras = [
        {
            "id": id,
            "type": camera.type,
            "name": camera.name,
            "device": camera.device,
            "where": camera.where,
            "formats": camera.offer and {name: _sizes(modes) for name, modes in camera.offer.formats.items()},
            "problem": camera.problem,
            "yaml": yaml,
        }
        for (id, yaml), camera in zip(stanzas.items(), outcome.cameras, strict=True)
    ]
    return json.dumps({"cameras": cameras, "failures": outcome.failures, "hints": outcome.hints}, indent=2)


def _sizes(modes: tuple[Mode, ...]) -> list[dict[str, object]]:
    return [{"size": f"{mode.width}x{mode.height}", "fps": list(mode.rates)} for mode in modes]


def _text(outcome: Outcome, stanzas: dict[str, str]) -> Iterator[str]:
    count = len(outcome.cameras)
    yield f"# {count} camera{'s' if count != 1 else ''} found" if count else "# no camera found here"
    for hint in outcome.hints:
        yield f"# - {hint}"
    if count:
        yield "cameras:"
    for yaml, camera in zip(stanzas.values(), outcome.cameras, strict=True):
        yield ""
        yield f"  # {camera.name}: {camera.where}"
        for line in _described(camera):
            yield f"  # {line}"
        yield from yaml.splitlines()[1:]


def _described(camera: Found) -> Iterator[str]:
    if camera.problem:
        yield f"PROBLEM: {camera.problem}"
    if camera.device and camera.device.startswith("/dev/video"):
        yield "this address may be another camera's after a restart: the device has no lasting name"
    for name, modes in camera.offer.formats.items() if camera.offer else ():
        shown = [_mode(mode) for mode in modes[-MOST_SIZES:]]
        yield f"{name}: {', '.join(['…'] * (len(modes) > MOST_SIZES) + shown) or 'sizes unknown'}"


def _mode(mode: Mode) -> str:
    return f"{mode.width}x{mode.height}" + (f" at {mode.rates[-1]:g}/s" if mode.rates else "")


def _write(folder: Path, stanzas: dict[str, str]) -> bool:
    """One file per camera, none over an existing one. False when that failed."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for id, yaml in stanzas.items():
            path = folder / f"{id}.yaml"
            try:
                with path.open("x") as file:
                    file.write(yaml)
            except FileExistsError:
                sys.stderr.write(f"{path} exists already and stays as it is\n")
            else:
                sys.stderr.write(f"{path} written; `edgecam test camera {id} -c {path}` tries it\n")
    except OSError as error:
        sys.stderr.write(f"edgecam cameras: cannot write to {folder}: {error.strerror}\n")
        return False
    return True
