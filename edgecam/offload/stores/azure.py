"""Azure Blob Storage through azure-storage-blob: one attempt, MD5 on every request and on the blob.

Loads the SDK; imported by the worker only.
"""

import base64
import io
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from azure.core import exceptions
from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential, TokenCredential
from azure.core.pipeline.transport import RequestsTransport
from azure.storage.blob import (
    BlobBlock,
    BlobProperties,
    BlobSasPermissions,
    ContainerClient,
    ContentSettings,
    generate_blob_sas,
)

from edgecam.clock import Clock, SystemClock
from edgecam.config.store import AzureStore
from edgecam.offload.expiry import lasts
from edgecam.offload.stores import (
    BadCredentials,
    BadSettings,
    Permanent,
    Stored,
    StoreError,
    Transient,
    Upload,
    azure_signing,
)
from edgecam.offload.stores.asking import Asking
from edgecam.offload.stores.blocks import put_blocks
from edgecam.offload.stores.body import Body, Gate, portion
from edgecam.offload.stores.journal import Forgotten, Journal
from edgecam.offload.stores.skew import Skew
from edgecam.offload.stores.verdict import Refusals, imposter, judge, unreachable

log = logging.getLogger(__name__)

CONNECT, READ = 30, 600  # s; the worker is replaced long before, unless all is sent and buffers drain
BLOCK = 4 << 20
"""Bytes of one request: the SDK holds that much in memory. Larger blobs are blocks, visible once all are committed."""

_KEY = "check offload.store.account_key, sas_token or connection_string"
REFUSALS: Refusals = {
    "AuthenticationFailed": (BadCredentials, "the store refused the key", _KEY + ", and this box's clock"),
    "InvalidAuthenticationInfo": (BadCredentials, "the store refused the key", _KEY),
    "AuthorizationFailure": (BadCredentials, "the store refused the key", _KEY + ", and the account's firewall"),
    "AuthorizationPermissionMismatch": (
        BadCredentials,
        "the store does not allow this key to do that",
        "it needs create and write; to fetch, list and read",
    ),
    "AuthorizationProtocolMismatch": (BadSettings, "the SAS token is for https only", "check offload.store.endpoint"),
    "ContainerNotFound": (
        BadSettings,
        "the container does not exist",
        "make it (edgecam test storage --create), or check offload.store.container",
    ),
    "ContainerDisabled": (BadSettings, "the container is disabled", "ask who runs the storage account"),
    "AccountIsDisabled": (BadSettings, "the storage account is disabled", "ask who runs it"),
    "OutOfRangeInput": (BadSettings, "the container's name is not a valid one", "check offload.store.container"),
    "InvalidResourceName": (BadSettings, "the container's name is not a valid one", "check offload.store.container"),
    "ResourceNotFound": (BadSettings, "the storage account does not exist", "check offload.store.account and endpoint"),
    "BlobImmutableDueToPolicy": (
        BadSettings,
        "a policy of the container forbids replacing a blob",
        "see its immutability policy",
    ),
}


class Azure:
    """A container. See the Store protocol."""

    def __init__(self, config: AzureStore, clock: Clock | None = None, *, block: int = BLOCK) -> None:
        """What is larger than `block` bytes goes in blocks of that size, each of which is held in memory."""
        self._clock, self._block = clock or SystemClock(), block
        self._asking = Asking(self._clock)
        self._skew = Skew(self._clock)
        self._transport = _Transport(connection_timeout=CONNECT, read_timeout=READ)
        try:
            self._container = _container(config, self._transport, self._skew)
        except (exceptions.AzureError, ValueError) as error:
            raise BadSettings(f"the settings of the store make no sense: {error}", _KEY) from None
        self._host = urlsplit(self._container.url).hostname or "Azure"
        self._lasts = lasts(config)

    @property
    def ahead(self) -> float | None:
        return self._skew.ahead

    def put(self, upload: Upload, progress: Callable[[int], None]) -> Stored:
        try:
            stored = self._put(upload, progress)
        except _NoContainer as error:
            self._make_missing(error)
            stored = self._put(upload, progress)
        self._asking.settle(lambda: self._head(upload.key))
        return stored

    def _make_missing(self, error: "_NoContainer") -> None:
        """Where the key may make the container; else raise `error`."""
        try:
            self.make()
        except Permanent:
            raise error from None
        log.warning("there was no container %s: it is made now", self._container.container_name)

    def _put(self, upload: Upload, progress: Callable[[int], None]) -> Stored:
        if upload.size > self._block:
            answer = put_blocks(self, self.describe(), upload, self._block, progress)
        else:
            answer = self._put_whole(upload, progress)
        if bytes(answer.get("content_md5") or b"") == bytes.fromhex(upload.md5):
            return Stored(upload.key, upload.size, _etag(answer.get("etag")), upload.md5, upload.sha256)
        return self._verified(upload, _etag(answer.get("etag")))

    def _put_whole(self, upload: Upload, progress: Callable[[int], None]) -> "_Answer":
        with Body(upload, lambda _: None) as body, self._speaking(), self._transport.watched(progress):
            return self._container.get_blob_client(upload.key).upload_blob(
                body,  # type: ignore[arg-type]  # read, seek and tell are all that the SDK uses
                length=upload.size,
                overwrite=True,
                validate_content=True,
                max_concurrency=1,
                content_settings=_settings(upload),
                metadata=dict(upload.metadata),
            )

    def stage(self, upload: Upload, id: str, data: bytes, start: int, progress: Callable[[int], None]) -> None:
        with self._speaking(), self._transport.watched(progress, start):
            self._container.get_blob_client(upload.key).stage_block(id, data, length=len(data), validate_content=True)

    def commit(self, upload: Upload, ids: Sequence[str]) -> "_Answer":
        with self._speaking():
            return self._container.get_blob_client(upload.key).commit_block_list(
                [BlobBlock(id) for id in ids], content_settings=_settings(upload), metadata=dict(upload.metadata)
            )

    def abandon(self, journal: Path) -> None:
        """Azure forgets blocks by itself, and has no way to make it."""
        Journal(journal).forget()

    def _verified(self, upload: Upload, etag: str | None) -> Stored:
        """The answer to a block list says nothing of the content: ask. Keys that may only write must take it."""
        if not etag:
            raise imposter("no ETag")
        try:
            there = self._asking.ask(lambda: self._head(upload.key), put=True)
        except Permanent:
            return Stored(upload.key, upload.size, etag, upload.md5, upload.sha256)
        if there is None or (there.size, there.md5) != (upload.size, upload.md5):
            found = "nothing" if there is None else f"{there.size} bytes"
            raise Transient(f"the store said yes but holds {found} of {upload.size} bytes")
        return there

    def stat(self, key: str, pulse: Callable[[], object] = lambda: None) -> Stored | None:
        return self._asking.ask(lambda: self._head(key))

    def _head(self, key: str) -> Stored | None:
        try:
            with self._speaking():
                return _stored(self._container.get_blob_client(key).get_blob_properties())
        except _Missing:
            return None

    def get(self, key: str, file: Path) -> Stored | None:
        part = file.with_name(file.name + ".part")
        try:
            with self._speaking():
                download = self._container.get_blob_client(key).download_blob(max_concurrency=1, validate_content=True)
                with part.open("wb") as out:
                    for chunk in download.chunks():
                        out.write(chunk)
                    out.flush()
                    os.fsync(out.fileno())
        except _Missing:
            return None
        part.replace(file)
        return _stored(download.properties)

    def list(self, prefix: str) -> Iterator[Stored]:
        with self._speaking():
            for found in self._container.list_blobs(name_starts_with=prefix, include=["metadata"]):
                yield _stored(found)

    def delete(self, key: str) -> None:
        try:
            with self._speaking():
                self._container.delete_blob(key)
        except _Missing:
            pass

    def make(self) -> None:
        with self._speaking(), suppress(exceptions.ResourceExistsError):
            self._container.create_container()

    def link(self, key: str, expiry: float) -> tuple[str, float] | None:
        """Only an account key can sign links: None with a SAS token (it would give that away) or a role."""
        credential, blob = self._container.credential, self._container.get_blob_client(key)
        account_key = getattr(credential, "account_key", None)
        if account_key is None:
            return None
        ends = int(self._clock.wall() + expiry)
        sas = generate_blob_sas(
            account_name=blob.account_name or "",
            container_name=blob.container_name,
            blob_name=key,
            account_key=account_key,
            permission=BlobSasPermissions(read=True),
            expiry=datetime.fromtimestamp(ends, UTC),
        )
        return f"{blob.url}?{sas}", float(ends)

    def describe(self) -> str:
        return f"azure container {self._container.container_name} at {self._host}"

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        """The SDK's errors, as verdicts."""
        try:
            yield
        except exceptions.AzureError as error:
            raise self._blamed(_error(error, self._host)) from None
        except ValueError:  # headers that the SDK cannot read
            raise imposter("no sense") from None

    def _blamed(self, error: StoreError) -> StoreError:
        """A SAS token that has ended is refused like a wrong one: say what is wrong with it."""
        why = self._lasts.refused(self._clock.wall()) if isinstance(error, BadCredentials) else None
        return (
            BadCredentials(f"{why} ({error})", "make a new one: offload.store.sas_token or connection_string")
            if why
            else error
        )


_Answer = Mapping[str, Any]


class _NoContainer(BadSettings):
    """Where we are to put something."""


class _Missing(Permanent):
    """404 for a blob; where a blob cannot be missing, the address is wrong."""


class _Transport(RequestsTransport):  # type: ignore[misc]  # the SDK loads it lazily: Any to mypy
    """Tells how many bytes of the requests' bodies have left, which the SDK itself knows per block only."""

    def __init__(self, **options: float) -> None:
        super().__init__(**options)
        self._progress: Callable[[int], None] | None = None
        self._sent = 0

    @contextmanager
    def watched(self, progress: Callable[[int], None], start: int = 0) -> Iterator[None]:
        """`progress` counts on from `start`."""
        self._progress, self._sent = progress, start
        try:
            yield
        finally:
            self._progress = None

    def wanted(self, size: int | None) -> int:
        return portion(self._progress, size) if self._progress else -1 if size is None else size

    def left(self, count: int) -> None:
        self._sent += count
        if isinstance(self._progress, Gate):
            self._progress.let(count)
        if self._progress:
            self._progress(self._sent)

    def send(self, request: Any, **options: Any) -> Any:  # as in azure-core: one method, two families of types
        if self._progress and request.data and isinstance(request.data, bytes):
            request.data = _Watched(request.data, self)
        return super().send(request, **options)


class _Watched(io.BytesIO):
    def __init__(self, data: bytes, transport: _Transport) -> None:
        super().__init__(data)
        self._transport = transport

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(self._transport.wanted(size))
        self._transport.left(len(data))
        return data


def _container(config: AzureStore, transport: _Transport, skew: Skew) -> ContainerClient:
    options: dict[str, Any] = {"transport": transport, "retry_total": 0, "permit_redirects": False}
    options |= azure_signing.options(skew)
    options |= {"max_single_put_size": BLOCK, "max_block_size": BLOCK}
    if config.connection_string:
        return ContainerClient.from_connection_string(config.connection_string.reveal(), config.container, **options)
    url = config.endpoint.reveal() if config.endpoint else f"https://{config.account}.blob.core.windows.net"
    return ContainerClient(url, config.container, credential=_credential(config), **options)


def _credential(config: AzureStore) -> AzureNamedKeyCredential | AzureSasCredential | TokenCredential:
    if config.account_key:
        key = config.account_key.reveal()
        try:
            base64.b64decode(key, validate=True)
        except ValueError:
            raise BadCredentials("the account key is not one: it has to be base64", _KEY) from None
        return AzureNamedKeyCredential(config.account or "", key)
    if config.sas_token:
        return AzureSasCredential(config.sas_token.reveal().removeprefix("?"))
    from azure.identity import DefaultAzureCredential  # slow to load, and few need it

    return DefaultAzureCredential()


def _settings(upload: Upload) -> ContentSettings:
    return ContentSettings(content_type=upload.content_type, content_md5=bytearray.fromhex(upload.md5))


def _etag(value: object) -> str | None:
    return str(value).strip('"') if value else None


def _stored(found: BlobProperties) -> Stored:
    md5 = found.content_settings.content_md5
    return Stored(
        str(found.name),
        int(found.size),
        _etag(found.etag),
        bytes(md5).hex() if md5 else None,
        (found.metadata or {}).get("sha256"),
    )


def _error(error: exceptions.AzureError, host: str) -> StoreError:
    if isinstance(error, exceptions.IncompleteReadError) or not isinstance(error, exceptions.HttpResponseError):
        return unreachable(host, error)
    if isinstance(error, exceptions.ClientAuthenticationError) and error.response is None:  # nobody was asked yet
        return BadCredentials("there are no credentials for the store", _KEY)
    status, named = error.status_code or 0, getattr(error, "error_code", None)
    code = str(getattr(named, "value", named) or "")
    if status == 404 and code in ("", "BlobNotFound"):
        return _Missing(f"{host} knows no such address (404)", "check offload.store.endpoint and container")
    if status == 400 and "md5" in str(error.message).lower():  # Azurite calls it an InvalidOperation
        code = "Md5Mismatch"
    if code == "InvalidBlockList":
        return Forgotten(f"the store has forgotten an upload that was begun ({status} {code})")
    headers: Mapping[str, str] = getattr(error.response, "headers", {})
    judged = judge(status, code, REFUSALS, key_hint=_KEY, headers=headers)
    return _NoContainer(str(judged), judged.hint) if code == "ContainerNotFound" else judged
