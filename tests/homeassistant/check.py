"""What a user of Home Assistant copies and clicks, on a real one; the last output is in docs/home-assistant.md.

`make homeassistant HASS=/path/to/hass` runs this, in two minutes. HASS is a command that takes `-c FOLDER`: that of a
virtual environment with `pip install homeassistant`, 2024.12 or newer. ARGS="--guide docs/home-assistant.md" keeps the
output in that page and takes its pictures anew.
"""

import argparse
import asyncio
import os
import re
import sys
import tempfile
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from statistics import median

from homeassistant import blueprints, browser, entities, leaving, live
from homeassistant.house import House, house
from homeassistant.report import Report

MISSING = "HASS is missing: make homeassistant HASS=/path/to/hass, the command of a Home Assistant on this machine\n"
GOAL = 0.5


async def main(hass: Sequence[str], guide: Path | None) -> int:
    report, pictures = Report(), guide.parent / "pictures" if guide else None
    with tempfile.TemporaryDirectory(prefix="homeassistant-") as folder:
        async with house(Path(folder), list(hass)) as here:
            facts = await here.api.get("/api/config")
            report.say(f"Home Assistant {facts['version']}")
            for room in (entities.check, live.check, blueprints.check):
                with report.step(f"{room.__module__.partition('.')[2]}: to the end"):
                    await room(here, report)
            with report.step("browser: to the end"):
                await browser.check(here, report, pictures)
            with report.step("leaving: to the end"):
                await leaving.check(here, report)
            _pace(here, report)
            complaints = here.hass.complaints()
            report.title("At the end")
            report.check("Home Assistant's log has no warning about us", not complaints, complaints or "")
    report.say(f"\n{report.missed} missed" if report.missed else "\nAll as it should be.")
    if guide:
        told = "\n".join(report.lines)
        block = re.compile(r"(?<=^```text\n).*?(?=^```)", re.DOTALL | re.MULTILINE)
        guide.write_text(block.sub(lambda _: f"{told}\n", guide.read_text(), count=1))
    return min(report.missed, 1)


def _pace(here: House, report: Report) -> None:
    """How long a motion took from its first moving frame to Home Assistant's websocket, over all that was seen."""
    report.title("From the camera to Home Assistant")
    told = [change for change in here.api.changes if change.entity == "binary_sensor.bird_box_motion"]
    found = sorted(
        change.at - datetime.fromisoformat(change.attributes["since"]).timestamp()
        for before, change in pairwise(told)
        if (before.state, change.state) == ("off", "on")
    )
    with report.step("motion: first moving frame to the state's change, a second look 200 ms later among it") as notes:
        assert found, "no motion was seen"
        notes.append(
            f"{len(found)} motions: {1000 * median(found):.0f} ms in the middle, {1000 * found[-1]:.0f} ms at most"
        )
        notes.append(f"{sum(time > GOAL for time in found)} above {1000 * GOAL:.0f} ms")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--guide", type=Path, help="the page that keeps the output, with pictures beside it")
    return parser.parse_args()


if __name__ == "__main__":
    given = _arguments()
    command = os.environ.get("HASS", "").split()
    if not command:
        sys.stderr.write(MISSING)
        sys.exit(2)
    sys.exit(asyncio.run(main(command, given.guide)))
