"""Logging: one line per event on stderr, for a person, the journal or a machine.

Secrets of the configuration never pass, whoever logs them; the same warning is written once a minute and counted.
"""

import json
import logging
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TextIO

from edgecam.media import iso

_PRIORITY = {"DEBUG": 7, "INFO": 6, "WARNING": 4, "ERROR": 3, "CRITICAL": 2}
REPEAT_WINDOW = 60.0
_SIGNATURE = re.compile(r"\b(signature|sig)=[^&\s\"']+", re.IGNORECASE)
"""Of a link that opens something for whoever reads it: ours, or a store's."""
ANSWER = {"answer": True}
"""`extra` of what answers somebody who asked: it is said each time, however often the same."""


class Redact(logging.Filter):
    """Replaces every secret, and every link's signature, in text, arguments and tracebacks."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__()
        self._secrets = sorted({secret for secret in secrets if len(secret) >= 4}, key=len, reverse=True)

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + logging.Formatter().formatException(record.exc_info)
            record.exc_info = None
        for secret in self._secrets:
            text = text.replace(secret, "***")
        text = _SIGNATURE.sub(r"\1=***", text)
        record.msg, record.args = text, None
        return True


class Repeats(logging.Filter):
    """Lets the same warning through once in REPEAT_WINDOW seconds and says how many were held back."""

    LIMIT = 200

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._monotonic = monotonic
        self._seen: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING or getattr(record, "answer", False):
            return True
        now, key = self._monotonic(), (record.name, record.getMessage())
        began, held = self._seen.pop(key, (None, 0))
        if began is not None and now - began < REPEAT_WINDOW:
            self._seen[key] = (began, held + 1)
            return False
        self._seen[key] = (now, 0)
        if len(self._seen) > self.LIMIT:
            del self._seen[next(iter(self._seen))]
        if held:
            record.msg, record.args = f"{key[1]} (and {held} times before)", None
        return True


class Text(logging.Formatter):
    """`2026-11-21 07:15:30 warning  birdbox: …` in local time; under the journal its priority prefix instead."""

    def __init__(self, journal: bool) -> None:
        super().__init__()
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        if self._journal:
            prefix = f"<{_PRIORITY.get(record.levelname, 6)}>"
            return "\n".join(prefix + line for line in text.splitlines())
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created))
        return f"{stamp} {record.levelname.lower():8} {text}"


class Json(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(
            {"time": iso(record.created), "level": record.levelname.lower(), "logger": record.name}
            | {"message": super().format(record)}
        )


def setup(
    level: str,
    style: str,
    secrets: Iterable[str] = (),
    modules: Mapping[str, str] | None = None,
    *,
    stream: TextIO = sys.stderr,
    environ: Mapping[str, str] = os.environ,
) -> None:
    """Log edgecam's own words at `level` and those of libraries from warnings on.

    `style` is auto, text or json; `modules` maps a name such as `mqtt` to a level of its own.
    """
    sink = logging.StreamHandler(stream)
    sink.setFormatter(Json() if style == "json" else Text(style == "auto" and "JOURNAL_STREAM" in environ))
    sink.addFilter(Redact(secrets))
    sink.addFilter(Repeats())
    root = logging.getLogger()
    root.handlers[:] = [sink]
    root.setLevel(logging.WARNING)
    logging.getLogger("edgecam").setLevel(level.upper())
    for name, own in (modules or {}).items():
        logging.getLogger(f"edgecam.{name}").setLevel(own.upper())
