"""The server at the far end of a row: what the proxy stands before, and what the witness asks directly."""

import ssl
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from uuid import uuid4

from azure.storage.blob import ContainerClient

from edgecam.config.secret import Secret, Url
from edgecam.config.store import AzureStore, S3Store, StoreConfig
from edgecam.offload.stores import Store, open_store
from edgecam.offload.stores.s3 import S3 as S3Client  # noqa: N811  two things of one name
from faultproxy import Proxy
from faults.rows import Trial
from peers import S3, Azurite, Peer, self_signed

RCLONE, RCLONE_TLS, AZURITE = "rclone", "rclone over TLS", "Azurite"
DAY = 86400.0
TEMPORARY = ".rclone_temp_put_"
"""How rclone names what it is being sent, until it is whole."""


class Site(ABC):
    """One bucket or container on one server."""

    peer: Peer
    trust: Path | None = None
    """Speaks TLS, and this is its certificate."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._links: dict[str, str] = {}
        self.store: Store = open_store(self.config(None))
        """Past the proxy."""

    @abstractmethod
    def config(self, proxy: Proxy | None) -> StoreConfig:
        """What a user would write to reach it through `proxy`, or directly."""

    @abstractmethod
    def keys(self) -> set[str]:
        """Of everything that is in it, whoever put it there."""

    @abstractmethod
    def read(self, key: str) -> bytes:
        """What is there, by another way than `seen`."""

    def litter(self) -> int:
        """Files of the server's own for what it is being sent; one that was killed leaves them."""
        return 0

    def unfinished(self) -> list[str]:
        """Keys of uploads that somebody began and nobody ended, where a server tells them."""
        return []

    def make(self) -> None:
        """Make the bucket, as a person does who sees that it is missing."""
        self.store.make()

    def proxy(self, *, tls: bool = False) -> Proxy:
        """One before this server; speaks TLS where the server does, or with `tls` before one that does not."""
        certificate = self.certificate() if tls or self.trust else None
        return Proxy(self.peer.port, trust=self.trust, certificate=certificate)

    def certificate(self) -> tuple[Path, Path]:
        """The proxy's, and its key."""
        made = self._folder / "proxy.pem", self._folder / "proxy.key"
        self_signed(*made)
        return made

    def seen(self, key: str) -> bytes | None:
        """What anybody who asks for `key` gets now. Raises OSError when the server is away."""
        if key not in self._links:
            link = self.store.link(key, DAY)
            assert link is not None
            self._links[key] = link[0]
        context = ssl.create_default_context(cafile=self.trust) if self.trust else None
        try:
            with urllib.request.urlopen(self._links[key], timeout=10, context=context) as answer:  # noqa: S310
                found: bytes = answer.read()
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 404:
                return None
            raise
        return found


class Bucket(Site):
    """On rclone's S3, where an object is a file."""

    def __init__(self, peer: S3, folder: Path, *, tls: bool) -> None:
        self.peer, self.name = peer, "birdbox"
        self.trust = peer.certificate if tls else None
        super().__init__(folder)

    def config(self, proxy: Proxy | None) -> S3Store:
        peer = self.peer
        assert isinstance(peer, S3)
        ca = self.trust if proxy is None else self.certificate()[0] if proxy.sealed else None
        port = proxy.port if proxy else peer.port
        return S3Store(
            bucket=self.name,
            endpoint=Url(f"http{'s' if ca else ''}://{peer.host}:{port}"),
            access_key=Secret(peer.access_key),
            secret_key=Secret(peer.secret_key),
            ca=ca,
            prefix="cams/",
        )

    @property
    def path(self) -> Path:
        assert isinstance(self.peer, S3)
        return self.peer.data / self.name

    def keys(self) -> set[str]:
        files = (path for path in self.path.rglob("*") if path.is_file() and not path.name.startswith(TEMPORARY))
        return {str(path.relative_to(self.path)) for path in files}

    def litter(self) -> int:
        return sum(1 for _ in self.path.rglob(f"{TEMPORARY}*"))

    def read(self, key: str) -> bytes:
        return (self.path / key).read_bytes()

    def unfinished(self) -> list[str]:
        assert isinstance(self.store, S3Client)
        answer = self.store._client.list_multipart_uploads(Bucket=self.name)
        return [upload["Key"] for upload in answer.get("Uploads", ())]


class Container(Site):
    """On Azurite."""

    def __init__(self, peer: Azurite, folder: Path) -> None:
        self.peer, self.name = peer, f"row-{uuid4().hex}"
        super().__init__(folder)

    def config(self, proxy: Proxy | None) -> AzureStore:
        peer = self.peer
        assert isinstance(peer, Azurite)
        return AzureStore(
            container=self.name,
            account=peer.account,
            account_key=Secret(peer.account_key),
            endpoint=Url(f"http://{peer.host}:{proxy.port if proxy else peer.port}/{peer.account}"),
            prefix="cams/",
        )

    def keys(self) -> set[str]:
        with self._container() as container:
            return set(container.list_blob_names())

    def read(self, key: str) -> bytes:
        with self._container() as container:
            return container.download_blob(key).readall()

    def _container(self) -> ContainerClient:
        assert isinstance(self.peer, Azurite)
        return ContainerClient.from_connection_string(self.peer.connection_string, self.name)


@contextmanager
def open_site(server: str, trial: Trial, *, empty: bool = True) -> Iterator[Site]:
    """A server of one's own (or the trial's Azurite) with an empty bucket, or without one."""
    if server == AZURITE:
        with nullcontext(trial.azurite) if trial.azurite else Azurite(trial.folder / "azurite") as peer:
            site = Container(peer, trial.folder)
            if empty:
                site.store.make()
            yield site
        return
    tls = server == RCLONE_TLS
    s3 = S3(trial.folder / "s3", tls=tls)
    if empty:
        s3.bucket("birdbox")  # before it is up: it looks for new folders now and then only
    with s3:
        yield Bucket(s3, trial.folder, tls=tls)
