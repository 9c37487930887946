"""Real servers for the tests: mosquitto, rclone's S3, Azurite and a network camera that speaks RTSP, each on a free
loopback port, in its own folder.

Blocking. `up` returns when the server answers, `down` when it is gone; a second `up` takes the same port and the same
data. What `tests/install-peers` installs must be there.
"""

import base64
import ipaddress
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import quote

if TYPE_CHECKING:
    from cryptography import x509

ROOT = Path(__file__).parents[1]
READY_WITHIN = 30.0


def free_port() -> int:
    """A loopback port that nobody holds, below the range from which the kernel serves clients: it stays free."""
    for port in random.sample(range(18000, 32000), 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port on the loopback address")


def program(name: str) -> str:
    """Where `name` is installed: beside this Python, on PATH, or in Debian's folder for daemons."""
    places = [str(Path(sys.executable).parent), os.environ.get("PATH", ""), "/usr/sbin"]
    found = shutil.which(name, path=os.pathsep.join(places))
    if found is None:
        raise FileNotFoundError(f"{name} is missing: run tests/install-peers")
    return found


def self_signed(
    certificate: Path, key: Path, by: "x509.Name | None" = None, *, address: str = "127.0.0.1", days: float = 1
) -> None:
    """Write a certificate for `address` that vouches for itself, and its key, unless they are there.

    With `by` it is no authority, and names another one that nobody knows. It ends in so many `days`, or ended then.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    if certificate.exists():
        return
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"edgecam tests: {certificate.stem}")])
    now = datetime.now(UTC)
    loopback = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
    signed = (
        x509.CertificateBuilder(by or name, name, private.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=100))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(loopback, critical=False)
        .add_extension(x509.BasicConstraints(ca=by is None, path_length=None), critical=True)
        .sign(private, hashes.SHA256())
    )
    certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


class Peer:
    """One server process. Give it a temporary folder; use it as a context manager, or `up` and `down` by hand."""

    host = "127.0.0.1"
    ready_within, ends_within = READY_WITHIN, 5.0

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def environment(self) -> Mapping[str, str]:
        return {}

    @property
    def log(self) -> str:
        """All that the server wrote so far."""
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def pid(self) -> int:
        assert self._process is not None, "not up"
        return self._process.pid

    def up(self) -> Self:
        """Start and wait until the port answers."""
        assert self._process is None, "already up"
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={**os.environ, **self.environment()},
            )
        deadline = time.monotonic() + self.ready_within
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.down(kill=True)
                raise RuntimeError(f"{type(self).__name__} did not start:\n{self.log}")
            time.sleep(0.02)  # a process of another language has no other way to say that it is ready
        return self

    def down(self, kill: bool = False) -> None:
        """End it, politely or with SIGKILL; nothing happens when it is not up."""
        process, self._process = self._process, None
        if process is None:
            return
        if kill:
            process.kill()
        else:
            process.terminate()
        try:
            process.wait(self.ends_within)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _answers(self) -> bool:
        try:
            socket.create_connection((self.host, self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def __enter__(self) -> Self:
        return self.up()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()


class Mosquitto(Peer):
    """A broker. `lines` are added to its configuration; `users` (name: password) forbid anonymous clients."""

    def __init__(self, folder: Path, *, lines: Iterable[str] = (), users: Mapping[str, str] | None = None) -> None:
        super().__init__(folder)
        self.lines = list(lines)
        self.users = dict(users or {})

    def command(self) -> list[str]:
        settings = [f"listener {self.port} {self.host}", f"allow_anonymous {str(not self.users).lower()}"]
        if os.geteuid() == 0:
            settings.append("user root")
        if self.users:
            settings.append(f"password_file {self._passwords()}")
        path = self.folder / "mosquitto.conf"
        path.write_text("\n".join([*settings, *self.lines, ""]))
        return [program("mosquitto"), "-c", str(path)]

    def reload(self) -> None:
        """It reads its files of users and rights again, with the next message that reaches it."""
        os.kill(self.pid, signal.SIGHUP)

    def _passwords(self) -> Path:
        path = self.folder / "passwords"
        path.touch()
        for name, password in self.users.items():
            subprocess.run([program("mosquitto_passwd"), "-b", str(path), name, password], check=True)
        return path


class S3(Peer):
    """rclone's S3, the awkward one: drops metadata, ignores If-None-Match, checks Content-MD5 and nothing else.

    A bucket is a folder below `data`; make it with `bucket`. With `tls` it refuses chunked uploads as well; clients
    must trust `certificate`.
    """

    access_key = "edgecam-access-key"
    secret_key = "edgecam-secret-key"

    def __init__(self, folder: Path, *, tls: bool = False) -> None:
        super().__init__(folder)
        self._tls = tls

    @property
    def endpoint(self) -> str:
        return f"{'https' if self._tls else 'http'}://{self.host}:{self.port}"

    @property
    def certificate(self) -> Path:
        return self.folder / "certificate.pem"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def bucket(self, name: str) -> Path:
        """The folder that is the bucket, made when missing. Objects are files in it."""
        path = self.data / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def section(self, bucket: str, port: int | None = None) -> dict[str, str]:
        """`offload.store` of a configuration; `port`: of a proxy before the server."""
        endpoint = self.endpoint.replace(f":{self.port}", f":{port or self.port}")
        keys = {"access_key": self.access_key, "secret_key": self.secret_key}
        return {"type": "s3", "endpoint": endpoint, "bucket": bucket, **keys}

    def command(self) -> list[str]:
        self.data.mkdir(exist_ok=True)
        keys = f"{self.access_key},{self.secret_key}"
        tls: tuple[str, ...] = ()
        if self._tls:
            key = self.folder / "key.pem"
            self_signed(self.certificate, key)
            tls = ("--cert", str(self.certificate), "--key", str(key))
        return [
            *(program("rclone"), "serve", "s3", "--addr", f"{self.host}:{self.port}", "--auth-key", keys),
            *tls,
            *("--config", str(self.folder / "none"), "--dir-cache-time", "100ms", str(self.data)),
        ]


class Azurite(Peer):
    """Microsoft's own emulator of Blob Storage. Containers are made through its API."""

    account = "edgecam"
    account_key = base64.b64encode(b"a key that only the tests know, 64 bytes or more make it look real").decode()

    @property
    def endpoint(self) -> str:
        return f"http://{self.host}:{self.port}/{self.account}"

    @property
    def connection_string(self) -> str:
        return (
            f"DefaultEndpointsProtocol=http;AccountName={self.account};AccountKey={self.account_key};"
            f"BlobEndpoint={self.endpoint};"
        )

    def environment(self) -> Mapping[str, str]:
        return {"AZURITE_ACCOUNTS": f"{self.account}:{self.account_key}"}

    def command(self) -> list[str]:
        script = ROOT / ".cache/azurite/node_modules/azurite/dist/src/blob/main.js"
        if not script.exists():
            raise FileNotFoundError("Azurite is missing: run tests/install-peers")
        return [
            *(program("node"), str(script), "--blobHost", self.host, "--blobPort", str(self.port)),
            *("--location", str(self.folder / "data"), "--skipApiVersionCheck", "--disableTelemetry"),
        ]


class Lighttpd(Peer):
    """A web server that does Digest by itself, before what another one on `behind` serves: a camera's `/stream`."""

    user, password = "anna", "p@ss:w%rd"

    def __init__(self, folder: Path, behind: int, *, algorithm: str = "MD5") -> None:
        super().__init__(folder)
        self._behind, self._algorithm = behind, algorithm

    def command(self) -> list[str]:
        users, path = self.folder / "users", self.folder / "lighttpd.conf"
        users.write_text(f"{self.user}:{self.password}\n")
        path.write_text(
            f"""
            server.modules = ("mod_auth", "mod_authn_file", "mod_proxy")
            server.document-root = "{self.folder}"
            server.bind = "{self.host}"
            server.port = {self.port}
            server.stream-response-body = 2
            auth.backend = "plain"
            auth.backend.plain.userfile = "{users}"
            auth.require = ("" => ("method" => "digest", "algorithm" => "{self._algorithm}", "realm" => "camera 7",
                                   "require" => "valid-user"))
            proxy.server = ("" => (("host" => "{self.host}", "port" => {self._behind})))
            """
        )
        return [program("lighttpd"), "-D", "-f", str(path)]


class RtspCam(Peer):
    """A network camera on GStreamer's own RTSP server; `options` are those of `tests/rtspcam.py`.

    With a `password` it wants the user anna. `freeze` stops it as a hung camera does: its port still takes connections.
    """

    user = "anna"

    def __init__(
        self, folder: Path, *, password: str = "", auth: str = "digest", tls: bool = False, **options: str | int
    ) -> None:
        super().__init__(folder)
        self.password, self._auth, self._tls, self._options = password, auth, tls, options

    def url(self, path: str = "main", *, password: str | None = None) -> str:
        """With the login percent-encoded."""
        password = self.password if password is None else password
        login = f"{self.user}:{quote(password, safe='')}@" if password else ""
        return f"rtsp{'s' * self._tls}://{login}{self.host}:{self.port}/{path}"

    def command(self) -> list[str]:
        login = ("--auth", self._auth, "--user", self.user, "--password", self.password) if self.password else ()
        options = [text for key, value in self._options.items() for text in (f"--{key}", str(value))]
        if self._tls:
            files = self.folder / "certificate.pem", self.folder / "key.pem"
            self_signed(*files)
            options += ["--tls", *map(str, files)]
        # Debian's Python has the bindings to GStreamer.
        return ["/usr/bin/python3", str(ROOT / "tests/rtspcam.py"), "--port", str(self.port), *login, *options]

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def down(self, kill: bool = False) -> None:
        if self._process is not None:
            self.thaw()
        super().down(kill)
