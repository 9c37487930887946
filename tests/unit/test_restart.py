"""A restart that cannot be: the process ends in words, and systemd begins anew."""

import sys

import pytest

from edgecam import process
from edgecam.supervisor import Fatal


def test_a_python_that_is_gone_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/opt/gone/bin/python")
    with pytest.raises(Fatal, match="restart: /opt/gone/bin/python: No such file or directory"):
        process._begin_afresh()
