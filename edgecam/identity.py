"""Who this box is: the node's name, the six hex digits of this installation, and the key with which it signs links.

All are kept in the state folder.
"""

import json
import logging
import os
import re
import secrets
import socket
from dataclasses import asdict, dataclass
from pathlib import Path

from edgecam import durable

log = logging.getLogger(__name__)

KEY = 32
"""Bytes of the key that signs links."""


@dataclass(frozen=True, slots=True)
class Identity:
    node: str
    instance: str


def identify(configured: str | None, state: Path, hostname: str | None = None) -> Identity:
    """The configured node name, else the one of the first start, else the host's; made once and kept.

    A later change of the host's name is only a warning: topics and object keys must not move by themselves.
    Raises OSError when the state folder cannot be written.
    """
    host = _as_node(hostname or socket.gethostname())
    path = state / "identity.json"
    kept = recall(state)
    known = kept or Identity(configured or host, secrets.token_hex(3))
    if configured is None and known.node != host:
        log.warning("this host is now called %s; the node stays %s (set `node:` to choose)", host, known.node)
    identity = Identity(configured or known.node, known.instance)
    if identity != kept:
        durable.write_json(path, asdict(identity))
    return identity


def recall(state: Path) -> Identity | None:
    """The one that was kept; None when there is none. Raises OSError when it is there and cannot be read."""
    path = state / "identity.json"
    try:
        kept = json.loads(path.read_bytes())
        return Identity(_as_node(str(kept["node"])), re.sub("[^0-9a-f]", "", kept["instance"])[:6])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        log.error("identity: %s is unreadable (%s); this installation gets a new identity", path, error)
        return None


def as_known(configured: str | None, state: Path) -> Identity:
    """Who this box is, or would be: nothing is kept. A box that never ran has no digits. Raises OSError."""
    known = recall(state) or Identity(_as_node(socket.gethostname()), "")
    return Identity(configured or known.node, known.instance)


def signing_key(state: Path) -> bytes:
    """The key that signs links, made once and kept for nobody's eyes but ours; anew where what is kept is none.

    A state folder that does not take it costs links their life beyond this run, nothing else.
    """
    path = state / "links.key"
    try:
        kept = path.read_bytes()
        if len(kept) == KEY:
            return kept
        log.warning("identity: %s has %d bytes, not %d: a new key is made, earlier links end", path, len(kept), KEY)
    except FileNotFoundError:
        pass
    except OSError as error:
        log.warning("identity: %s: %s: a new key is made, earlier links end", path, error.strerror)
    key = os.urandom(KEY)
    try:
        durable.make_folder(state)
        durable.write(path, key, mode=0o600)
    except OSError as error:
        log.warning("identity: %s: %s: links end with this run", path, error.strerror)
    return key


def _as_node(text: str) -> str:
    """The host's name as a node id: `[a-z0-9-]{1,32}`."""
    return re.sub("[^a-z0-9-]+", "-", text.split(".")[0].lower()).strip("-")[:32] or "edgecam"
