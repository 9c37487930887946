"""The guards of conftest.py bite: a test that leaves something behind fails, an orderly one does not."""

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

CONFTEST = Path(__file__).parents[1] / "conftest.py"
HEAD = """
import asyncio, subprocess, threading
held = []
"""
TIDY = """
import pytest

@pytest.fixture(scope="session", autouse=True)
def tidy():
    yield
    for child in held:
        if isinstance(child, subprocess.Popen):
            child.kill()
            child.wait()

"""


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("async def test_it():\n    held.append(asyncio.create_task(asyncio.sleep(60), name='stray'))", "stray"),
        (
            "def test_it():\n    threading.Thread(target=threading.Event().wait, args=(1,), name='stray').start()",
            "stray",
        ),
        ("def test_it():\n    held.append(subprocess.Popen(['sleep', '9']))", "sleep 9"),
        ("def test_it():\n    held.append(subprocess.Popen(['true']))", "zombie"),
    ],
    ids=["task", "thread", "child", "zombie"],
)
def test_a_test_that_leaves_something_behind_fails(pytester: pytest.Pytester, body: str, complaint: str) -> None:
    guards = CONFTEST.read_text().replace("PATIENCE = 2.0", "PATIENCE = 0.1")
    pytester.makeconftest(guards)
    pytester.makepyfile(HEAD + TIDY + body)
    done = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-o", "asyncio_mode=auto")
    done.assert_outcomes(passed=1, errors=1)
    done.stdout.fnmatch_lines([f"*behind*{complaint}*"])


def test_an_orderly_test_passes_with_a_loop_and_without(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST.read_text())
    pytester.makepyfile(
        HEAD
        + "async def test_loop():\n    await asyncio.create_task(asyncio.sleep(0))\n    await asyncio.to_thread(int)\n"
        + "def test_child():\n    subprocess.run(['true'], check=True)\n"
        + "def test_ports(free_port):\n    assert free_port() != free_port()\n"
    )
    pytester.runpytest_subprocess("-p", "no:cacheprovider", "-o", "asyncio_mode=auto").assert_outcomes(passed=3)
