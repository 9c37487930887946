"""Logging: no secret, no flood, one line a person or a machine can read."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from edgecam import log


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield io.StringIO()
    root.handlers[:] = before
    root.setLevel(level)
    for name in ("edgecam", "edgecam.mqtt"):
        logging.getLogger(name).setLevel(logging.NOTSET)


def test_no_secret_passes_in_text_arguments_or_tracebacks(stream: io.StringIO) -> None:
    log.setup("debug", "text", ["hunter22", "hunter"], stream=stream)
    logger = logging.getLogger("edgecam.x")
    logger.info("logging in with %s", "hunter22")
    try:
        raise ValueError("rtsp://anna:hunter22@cam")
    except ValueError:
        logger.exception("failed")
    logging.getLogger("some.library").warning("header hunter22")
    assert "hunter" not in stream.getvalue()
    assert stream.getvalue().count("***") >= 3


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("GET /media/x.mp4?expires=1&signature=ab-c_d gone", "GET /media/x.mp4?expires=1&signature=*** gone"),
        (
            "https://s3/x?X-Amz-Signature=ff00&X-Amz-Date=1 failed",
            "https://s3/x?X-Amz-Signature=***&X-Amz-Date=1 failed",
        ),
        ("'https://store/x?se=2026&sig=a%2Bb'", "'https://store/x?se=2026&sig=***'"),
        ("the signature is wrong", "the signature is wrong"),
    ],
    ids=["ours", "S3", "Azure", "words"],
)
def test_no_link_in_the_log_opens_anything(stream: io.StringIO, said: str, written: str) -> None:
    log.setup("debug", "text", stream=stream)
    logging.getLogger("edgecam.x").info(said)
    assert stream.getvalue().rstrip().endswith(f"info     {written}")


def test_the_same_warning_is_written_once_a_minute_and_counted() -> None:
    now = [0.0]
    repeats = log.Repeats(lambda: now[0])

    def say() -> str | None:
        record = logging.LogRecord("x", logging.WARNING, "", 0, "disk %s", ("full",), None)
        return record.getMessage() if repeats.filter(record) else None

    assert [say(), say(), say()] == ["disk full", None, None]
    now[0] = 61
    assert say() == "disk full (and 2 times before)"


def test_who_asks_again_is_answered_again(stream: io.StringIO) -> None:
    log.setup("info", "text", stream=stream)
    for _ in range(2):
        logging.getLogger("edgecam.x").error("reload: the file is wrong", extra=log.ANSWER)
    assert stream.getvalue().count("reload: the file is wrong") == 2


def test_the_memory_for_repeats_is_bounded() -> None:
    repeats = log.Repeats(lambda: 0.0)
    for number in range(repeats.LIMIT * 2):
        repeats.filter(logging.LogRecord("x", logging.WARNING, "", 0, f"line {number}", (), None))
    assert len(repeats._seen) == repeats.LIMIT


def test_under_the_journal_each_line_carries_its_priority(stream: io.StringIO) -> None:
    log.setup("info", "auto", stream=stream, environ={"JOURNAL_STREAM": "8:1"})
    logging.getLogger("edgecam.x").error("two\nlines")
    assert stream.getvalue() == "<3>two\n<3>lines\n"


def test_text_carries_time_and_level(stream: io.StringIO) -> None:
    log.setup("info", "auto", stream=stream, environ={})
    logging.getLogger("edgecam.x").warning("birdbox: no frame")
    assert stream.getvalue().endswith(" warning  birdbox: no frame\n")


def test_json_is_one_object_a_line(stream: io.StringIO) -> None:
    log.setup("info", "json", stream=stream)
    logging.getLogger("edgecam.x").info("birdbox: %s", "frames")
    line = json.loads(stream.getvalue())
    assert (line["level"], line["logger"], line["message"]) == ("info", "edgecam.x", "birdbox: frames")


def test_libraries_speak_from_warnings_on_and_a_module_can_have_its_own_level(stream: io.StringIO) -> None:
    log.setup("debug", "text", modules={"mqtt": "error"}, stream=stream)
    logging.getLogger("botocore").info("chatter")
    logging.getLogger("edgecam.mqtt").warning("not wanted")
    logging.getLogger("edgecam.web").debug("wanted")
    assert stream.getvalue().count("\n") == 1
