"""The commands. Each is a few lines over a function elsewhere, imported by the command that needs it."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from edgecam import __version__

if TYPE_CHECKING:
    from edgecam.config.model import Config
    from edgecam.local import Daemon

OK, FAILED, USAGE = 0, 1, 2
SPOOL = (
    "status: how the store stands; list: what waits, what was set aside and why; retry: the store is tried now; "
    "verify: all media is read against its hashes, and what was lost beside it is made anew"
)
PLACES = (Path("/etc/edgecam/config.yaml"), Path("config.yaml"))


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is the contract's: 0 done, 1 failed, 2 usage or configuration."""
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.command(arguments))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of our output has seen enough
        sys.stderr.close()
        return OK


class Command(Protocol):
    def __call__(
        self, name: str, run: object, what: str, *parents: argparse.ArgumentParser
    ) -> argparse.ArgumentParser: ...


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("edgecam", description="Camera daemon for Home Assistant.")
    parser.add_argument("--version", action="version", version=f"edgecam {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: object, what: str, *parents: argparse.ArgumentParser) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=what, description=what, parents=parents)
        made.set_defaults(command=run)
        return made

    for add in (_running, _configuration, _trials, _media, _motion):
        add(command)
    return parser


def _configured(made: argparse.ArgumentParser) -> None:
    made.add_argument("-c", "--config", type=Path, metavar="FILE", help="default: " + ", then ".join(map(str, PLACES)))
    made.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="overrides the file")


def _running(command: Command) -> None:
    _configured(command("run", _run, "Run the daemon in the foreground."))

    demo = command("demo", _demo, "Run everything embedded: camera, broker, store and page.")
    demo.add_argument("--listen", default="127.0.0.1:8000", metavar="ADDR")
    demo.add_argument("--for", dest="duration", metavar="30s", help="end by itself after this long")


def _configuration(command: Command) -> None:
    check = command("check", _check, "Validate the configuration without touching network, camera or disk.")
    _configured(check)
    check.add_argument("--strict", action="store_true", help="warnings are errors")
    check.add_argument("--diff", action="store_true", help="ask the running daemon what a reload would change")

    config = command("config", _config, "Print the JSON schema, the option reference or the effective configuration.")
    config.add_argument("what", choices=("schema", "reference", "effective"))
    _configured(config)

    cameras = command("cameras", _cameras, "List the cameras that can be opened here, each with the YAML to paste.")
    cameras.add_argument("--json", action="store_true", help="for programs")
    cameras.add_argument("--write", type=Path, metavar="DIR", help="one file per camera, never over an existing one")

    discovery = command("discovery", _discovery, "Show what Home Assistant would be told, without connecting.")
    _configured(discovery)
    discovery.add_argument(
        "--json", action="store_true", help="the messages by their topics, or what was cleared, for programs"
    )
    discovery.add_argument("--clear", action="store_true", help="connect, and remove all that edgecam retains there")

    command("password", _password, "Print a hash for http.users.")


def _trials(command: Command) -> None:
    trials = command("test", _test, "One real round trip: says which step failed, and the likely cure.").add_subparsers(
        required=True, metavar="WHAT", dest="what"
    )
    trial = trials.add_parser("camera", help="Open a camera and tell what comes.")
    trial.add_argument("id", metavar="ID")
    _configured(trial)
    trial.add_argument("--json", action="store_true", help="for programs")

    broker = trials.add_parser("mqtt", help="Log in at the broker, send a message there and back, retain one.")
    _configured(broker)
    broker.add_argument("--json", action="store_true", help="for programs")

    storage = trials.add_parser("storage", help="Put a small object into the store, and get it back.")
    storage.add_argument("--create", action="store_true", help="make the bucket, container or folder first")
    _configured(storage)
    storage.add_argument("--json", action="store_true", help="for programs")


def _media(command: Command) -> None:
    spool = command("spool", _spool, "What waits for the store, what went wrong, and whether it is whole.")
    spool.add_argument("what", choices=("status", "list", "retry", "verify"), help=SPOOL)
    _configured(spool)
    spool.add_argument("--json", action="store_true", help="for programs")

    asked = argparse.ArgumentParser(add_help=False)
    asked.add_argument("camera", metavar="CAMERA")
    asked.add_argument("-o", "--output", type=Path, metavar="FILE", help="copy it there; - is standard output")
    asked.add_argument("--json", action="store_true", help="for programs")
    clip = command("clip", _clip, "Have the running daemon save the last seconds of a camera.", asked)
    clip.add_argument("--last", default="60s", metavar="60s", help="how far back (default: %(default)s)")
    _configured(clip)
    _configured(command("snapshot", _snapshot, "Have the running daemon take a picture now and keep it.", asked))

    fetch = command("fetch", _fetch, "Download from the object store, verify, join, and delete there what is here.")
    _configured(fetch)
    fetch.add_argument("--node", metavar="N", help="of this box (default: node of the file, else all)")
    fetch.add_argument("--camera", metavar="ID", help="of this camera (default: those of the file, else all)")
    fetch.add_argument("--from", dest="begin", metavar="T", help="a time such as 2026-11-21T07:00")
    fetch.add_argument("--to", dest="end", metavar="T", help="the same")
    fetch.add_argument("--kind", action="append", default=[], metavar="KIND", help="event, manual, ... (default: all)")
    fetch.add_argument("-o", "--output", type=Path, metavar="DIR", required=True, help="where to; resumes there")
    fetch.add_argument("--identity", type=Path, metavar="FILE", help="age or SSH key that opens what is sealed")
    fetch.add_argument("--concat", type=Path, metavar="OUT.mp4", help="join it, without re-encoding")
    fetch.add_argument("--delete", action="store_true", help="delete in the store what was verified here")
    fetch.add_argument("--yes", action="store_true", help="do not ask before that")
    fetch.add_argument("--json", action="store_true", help="for programs")


def _motion(command: Command) -> None:
    scan = command("scan", _scan, "Run recorded video through the live motion detector.")
    scan.add_argument("videos", nargs="+", type=Path, metavar="VIDEO", help="a file, or a folder of them")
    _configured(scan)
    scan.add_argument("--camera", metavar="ID", help="take this camera's motion settings")
    scan.add_argument("--fps", type=float, help="looks per second")
    scan.add_argument("--json", action="store_true", help="one JSON object per video")
    scan.add_argument("--clips", type=Path, metavar="DIR", help="cut a clip of each event; videos of folders only once")
    scan.add_argument("--since", metavar="6h", help="only videos that were changed since")
    scan.add_argument("--max", type=int, metavar="N", help="videos in one run")
    scan.add_argument("--dry-run", action="store_true", help="tell which clips there would be; write nothing")

    tune = command("tune", _tune, "Score motion settings over labelled videos, and find better ones.")
    tune.add_argument("folder", type=Path, metavar="DIR", help="manifest.json, or videos in motion/ and still/")
    _configured(tune)
    tune.add_argument("--camera", metavar="ID", help="begin with this camera's motion settings")
    tune.add_argument("--json", action="store_true", help="for programs")
    tune.add_argument("--plot", type=Path, metavar="FILE.png", help="draw scores over time, labels and finds")


def _place(arguments: argparse.Namespace) -> Path:
    given: Path | None = arguments.config
    return given or next((place for place in PLACES if place.exists()), PLACES[0])


def _complain(error: object) -> int:
    print(error, file=sys.stderr)
    return USAGE


def _run(arguments: argparse.Namespace) -> int:
    from edgecam import process

    return process.main(_place(arguments), arguments.set, os.environ)


def _demo(arguments: argparse.Namespace) -> int:
    from edgecam import demo
    from edgecam.config import units

    try:
        duration = units.duration(arguments.duration) if arguments.duration else None
    except ValueError as error:
        return _complain(f"edgecam demo: --for: {error}")
    return demo.main(arguments.listen, duration)


def _check(arguments: argparse.Namespace) -> int:
    from edgecam.config.load import ConfigErrors, load

    place = _place(arguments)
    try:
        loaded = load(place, environ=os.environ, overrides=arguments.set)
    except ConfigErrors as errors:
        return _complain(errors)
    for warning in loaded.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if loaded.warnings and arguments.strict:
        return USAGE
    count = len(loaded.config.cameras)
    print(f"{place}: valid, {count} camera{'s' if count != 1 else ''}")
    if arguments.diff:
        from edgecam import ask

        return ask.diff(_daemon(arguments))
    return OK


def _live(config: "Config") -> dict[tuple[str | int, ...], str]:
    """What live settings say otherwise, where we may read them."""
    from edgecam.clock import SystemClock
    from edgecam.events import Bus
    from edgecam.settings import Settings

    kept = config.state_path(os.environ) / "settings.json"
    return Settings(config.cameras, kept, Bus(), SystemClock()).marks() if os.access(kept, os.R_OK) else {}


def _config(arguments: argparse.Namespace) -> int:
    import json

    from edgecam.config import reference
    from edgecam.config.load import ConfigErrors, load

    if arguments.what == "schema":
        print(json.dumps(reference.schema(), indent=2))
    elif arguments.what == "reference":
        print(reference.reference(), end="")
    else:
        try:
            loaded = load(_place(arguments), environ=os.environ, overrides=arguments.set)
        except ConfigErrors as errors:
            return _complain(errors)
        print(reference.effective(loaded, _live(loaded.config)), end="")
    return OK


def _cameras(arguments: argparse.Namespace) -> int:
    from edgecam.finding import listing

    return listing.main(as_json=arguments.json, write=arguments.write)


def _test(arguments: argparse.Namespace) -> int:
    from edgecam.config.load import ConfigErrors, load

    try:
        config = load(_place(arguments), environ=os.environ, overrides=arguments.set).config
    except ConfigErrors as errors:
        return _complain(errors)
    if arguments.what == "mqtt":
        from edgecam.trial import mqtt

        return mqtt.main(config, os.environ, as_json=arguments.json)
    if arguments.what == "storage":
        from edgecam.trial import storage

        return storage.main(config, os.environ, create=arguments.create, as_json=arguments.json)
    from edgecam.trial import camera

    return camera.main(config, arguments.id, os.environ, as_json=arguments.json)


def _spool(arguments: argparse.Namespace) -> int:
    from edgecam import local, spool
    from edgecam.config.load import ConfigErrors, load

    place = _place(arguments)
    try:
        config = load(place, environ=os.environ, overrides=arguments.set).config
    except ConfigErrors as errors:
        return _complain(errors)
    places = local.places(config.state_path(os.environ), os.environ, service=place == PLACES[0])
    return spool.main(arguments.what, config, os.environ, local.Daemon(places), as_json=arguments.json)


def _discovery(arguments: argparse.Namespace) -> int:
    from edgecam import discovery
    from edgecam.config.load import ConfigErrors, load

    try:
        config = load(_place(arguments), environ=os.environ, overrides=arguments.set).config
        daemon = _daemon(arguments)
    except ConfigErrors as errors:
        return _complain(errors)
    return discovery.main(config, os.environ, daemon, clear=arguments.clear, as_json=arguments.json)


def _clip(arguments: argparse.Namespace) -> int:
    from edgecam import ask
    from edgecam.config import units
    from edgecam.config.load import ConfigErrors

    try:
        last = units.last(arguments.last)
        daemon = _daemon(arguments)
    except ValueError as error:
        return _complain(f"edgecam clip: --last: {error}")
    except ConfigErrors as errors:
        return _complain(errors)
    return ask.clip(daemon, arguments.camera, last, arguments.output, as_json=arguments.json)


def _snapshot(arguments: argparse.Namespace) -> int:
    from edgecam import ask
    from edgecam.config.load import ConfigErrors

    try:
        daemon = _daemon(arguments)
    except ConfigErrors as errors:
        return _complain(errors)
    return ask.snapshot(daemon, arguments.camera, arguments.output, as_json=arguments.json)


def _fetch(arguments: argparse.Namespace) -> int:
    from edgecam import fetching
    from edgecam.config.load import ConfigErrors, load

    try:
        config = load(_place(arguments), environ=os.environ, overrides=arguments.set).config
    except ConfigErrors as errors:
        return _complain(errors)
    return fetching.main(config, arguments)


def _daemon(arguments: argparse.Namespace) -> "Daemon":
    """The running daemon of a configuration. Raises ConfigErrors."""
    from edgecam import local
    from edgecam.config.load import load

    place = _place(arguments)
    state = load(place, environ=os.environ, overrides=arguments.set).config.state_path(os.environ)
    return local.Daemon(local.places(state, os.environ, service=place == PLACES[0]))


def _password(_: argparse.Namespace) -> int:
    import getpass

    from edgecam.web.password import hash_password

    try:
        typing = sys.stdin.isatty()
        password = getpass.getpass("Password: ") if typing else sys.stdin.readline().rstrip("\n")
        if typing and getpass.getpass("Once more: ") != password:
            return _complain("edgecam password: these two are not the same")
    except EOFError:
        return _complain("edgecam password: nothing was typed")
    if not password:
        return _complain("edgecam password: an empty password protects nothing")
    print(hash_password(password))
    return OK


def _scan(arguments: argparse.Namespace) -> int:
    import math
    import time

    from edgecam.config import units
    from edgecam.config.load import ConfigErrors
    from edgecam.motion.scan import camera_of
    from edgecam.scanning import command

    given = arguments.config and _place(arguments)
    try:
        since = units.duration(arguments.since) if arguments.since else math.inf
        camera = camera_of(given, arguments.camera, arguments.set, os.environ)
    except (ConfigErrors, LookupError) as error:
        return _complain(error)
    except ValueError as error:
        return _complain(f"edgecam scan: --since: {error}")
    asked = command.Asked(
        arguments.videos,
        camera,
        fps=arguments.fps,
        as_json=arguments.json,
        clips=arguments.clips,
        since=since,
        most=arguments.max,
        dry=arguments.dry_run,
    )
    return command.main(asked, now=time.time())


def _tune(arguments: argparse.Namespace) -> int:
    from edgecam.config.load import ConfigErrors
    from edgecam.motion import scan
    from edgecam.motion.tuning import command

    given = arguments.config and _place(arguments)
    try:
        settings = scan.settings(given, arguments.camera, arguments.set, os.environ, "tune")
    except (ConfigErrors, LookupError) as error:
        return _complain(error)
    return command.main(arguments.folder, settings, plot=arguments.plot, as_json=arguments.json)


if __name__ == "__main__":
    sys.exit(main())
