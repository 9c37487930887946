"""The limits that keep the house small: who may import whom, and what an import may cost."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HOUSE = ROOT / "edgecam"
FILES = sorted(path for path in HOUSE.rglob("*.py") if "ha_discovery" not in path.parts)

HEAVY = (
    "cv2",
    "av",
    "boto3",
    "botocore",
    "azure",
    "picamera2",
    "simplejpeg",
    "numpy",
    "paho",
    "amqtt",
    "rich",
    "pyrage",
)


def imports(path: Path) -> set[str]:
    """Every module of ours that `path` names in an import, at whatever depth."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.startswith("edgecam")}


def room(path: Path) -> str:
    """`sources` for a file in that folder, else the file's own name."""
    return path.relative_to(HOUSE).parts[0].removesuffix(".py")


def reached(path: Path) -> set[str]:
    return {name.split(".")[1] for name in imports(path) if "." in name}


FOUNDATION = {
    "clock": set(),
    "jpeg": set(),
    "login": set(),
    "durable": set(),
    "media": set(),
    "links": {"config", "media"},
    "almanac": {"clock", "media"},
    "frame": {"clock"},
    "events": {"media"},
    "hub": {"frame"},
    "nal": {"frame"},
    "config": set(),
}


@pytest.mark.parametrize("path", [path for path in FILES if room(path) in FOUNDATION], ids=lambda path: path.name)
def test_the_foundation_imports_nothing_above_it(path: Path) -> None:
    allowed = FOUNDATION[room(path)] | {room(path), "__version__"}
    assert reached(path) <= allowed


ROOMS = ("sources", "motion", "record", "relay", "offload", "mqtt", "web")


@pytest.mark.parametrize(
    "path", [path for path in FILES if room(path) in ROOMS], ids=lambda path: str(path.relative_to(HOUSE))
)
def test_rooms_know_protocols_not_each_other(path: Path) -> None:
    strangers = (set(ROOMS) | {"app", "station", "demo", "__main__"}) - {room(path)}
    assert not reached(path) & strangers


def test_only_the_process_and_the_demo_know_the_composition_root() -> None:
    knowing = {room(path) for path in FILES if "app" in reached(path)}
    assert knowing <= {"app", "process", "demo"}


def loaded_by(code: str) -> set[str]:
    """Top-level names of the modules that a fresh interpreter has after `code`."""
    probe = f"import sys\n{code}\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.split())


@pytest.mark.parametrize("module", ["edgecam.app", "edgecam.__main__"])
def test_importing_the_daemon_loads_nothing_heavy(module: str) -> None:
    assert not loaded_by(f"import {module}") & set(HEAVY)


def test_the_offload_worker_is_small() -> None:
    assert not loaded_by("import edgecam.offload.worker") & {*HEAVY, "aiohttp"}


def test_no_shell_and_no_name_that_says_nothing() -> None:
    for path in FILES:
        assert "shell=True" not in path.read_text(), path
        assert path.stem not in ("utils", "common", "base", "helpers", "misc", "manager"), path


def test_no_file_is_a_warehouse() -> None:
    assert {str(path): lines for path in FILES if (lines := len(path.read_text().splitlines())) > 420} == {}
