"""S3 in its portable subset: what AWS, R2, B2, MinIO, Ceph, Wasabi, rclone and the others all understand.

One PUT with Content-MD5, one attempt: the patience is the uploader's. Loads boto3; imported by the worker only.
"""

import base64
import os
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import botocore.exceptions as boto
from botocore.config import Config
from botocore.parsers import ResponseParserError

from edgecam.clock import Clock, SystemClock
from edgecam.config.store import S3Store
from edgecam.offload.stores import (
    BadClock,
    BadCredentials,
    BadSettings,
    Corrupt,
    Permanent,
    Stored,
    StoreError,
    StoreFull,
    Transient,
    Upload,
)
from edgecam.offload.stores.body import Body
from edgecam.offload.stores.verdict import Refusals, imposter, judge, unreachable

CONNECT, READ = 30, 600  # s; the worker is replaced long before, unless all is sent and buffers drain
"""Seconds. A read time-out below the time to drain the socket's buffers through a slow line makes duplicates."""
LONGEST_LINK = 7 * 86400
"""Of a presigned URL, by the rules of Signature Version 4."""
CHUNK = 1 << 20

_KEY = "check offload.store.secret_key"
REFUSALS: Refusals = {
    "InvalidAccessKeyId": (BadCredentials, "the store does not know the access key", "check offload.store.access_key"),
    "SignatureDoesNotMatch": (BadCredentials, "the store refused the key", _KEY),
    "AccessDenied": (
        BadCredentials,
        "the store does not allow this key to do that",
        "the key needs s3:PutObject on the bucket",
    ),
    "ExpiredToken": (BadCredentials, "the credentials have expired", "renew offload.store.session_token"),
    "InvalidToken": (BadCredentials, "the store refused the session token", "check offload.store.session_token"),
    "TokenRefreshRequired": (BadCredentials, "the credentials have expired", "renew offload.store.session_token"),
    "RequestTimeTooSkewed": (BadClock, "this box's clock differs from the store's", "set the clock: timedatectl"),
    "RequestExpired": (BadClock, "this box's clock differs from the store's", "set the clock: timedatectl"),
    "NoSuchBucket": (
        BadSettings,
        "the bucket does not exist",
        "make it (edgecam test storage --create), or check offload.store.bucket",
    ),
    "InvalidBucketName": (BadSettings, "the bucket's name is not a valid one", "check offload.store.bucket"),
    "PermanentRedirect": (BadSettings, "the bucket is in another region", "check offload.store.region"),
    "AuthorizationHeaderMalformed": (BadSettings, "the bucket is in another region", "check offload.store.region"),
    "IllegalLocationConstraintException": (
        BadSettings,
        "the bucket is in another region",
        "check offload.store.region",
    ),
    "QuotaExceeded": (StoreFull, "the store is full", "make room in the store"),
    "XMinioStorageFull": (StoreFull, "the store is full", "make room in the store"),
}


class S3:
    """A bucket. See the Store protocol."""

    def __init__(self, config: S3Store, clock: Clock | None = None) -> None:
        self._bucket, self._clock = config.bucket, clock or SystemClock()
        self._host = config.endpoint.host if config.endpoint else "AWS"
        try:
            self._client = _client(config)
        except (boto.BotoCoreError, ValueError, OSError) as error:
            raise _error(error, self._host) from None

    def put(self, upload: Upload, progress: Callable[[int], None]) -> Stored:
        with Body(upload, progress) as body:
            answer = self._call(
                "put_object",
                Key=upload.key,
                Body=body,
                ContentLength=upload.size,
                ContentMD5=base64.b64encode(bytes.fromhex(upload.md5)).decode(),
                ContentType=upload.content_type,
                Metadata=dict(upload.metadata),
            )
        etag = str(answer.get("ETag", "")).strip('"')
        if etag == upload.md5:
            return Stored(upload.key, upload.size, etag, upload.md5, upload.sha256)
        if _md5(etag) and not _sealed(answer):
            raise Corrupt("what the store wrote has another MD5 than the file")
        return self._verified(upload, etag)

    def _verified(self, upload: Upload, etag: str) -> Stored:
        """The answer to the PUT proves nothing by itself: ask for the size. Put-only keys must take the answer."""
        if not etag:
            raise imposter("no ETag")
        try:
            there = self.stat(upload.key)
        except Permanent:
            return Stored(upload.key, upload.size, etag, upload.md5, upload.sha256)
        if there is None or there.size != upload.size:
            found = "nothing" if there is None else f"{there.size} bytes"
            raise Transient(f"the store said yes but holds {found} of {upload.size} bytes")
        return there

    def stat(self, key: str) -> Stored | None:
        try:
            answer = self._call("head_object", Key=key)
        except _Missing:
            return None
        return _stored(key, answer)

    def get(self, key: str, file: Path) -> Stored | None:
        try:
            answer = self._call("get_object", Key=key)
        except _Missing:
            return None
        found, part = _stored(key, answer), file.with_name(file.name + ".part")
        received = 0
        with closing(answer["Body"]) as body, part.open("wb") as out:
            try:
                for chunk in body.iter_chunks(CHUNK):
                    received += out.write(chunk)
            except boto.BotoCoreError as error:
                raise _error(error, self._host) from None
            out.flush()
            os.fsync(out.fileno())
        if received != found.size:
            raise Transient(f"the download ended after {received} of {found.size} bytes")
        part.replace(file)
        return found

    def list(self, prefix: str) -> Iterator[Stored]:
        more: dict[str, str] = {}
        while True:
            page = self._call("list_objects_v2", Prefix=prefix, **more)
            if "Name" not in page:
                raise imposter("no listing")
            for found in page.get("Contents", ()):
                etag = found["ETag"].strip('"')
                yield Stored(found["Key"], found["Size"], etag, _md5(etag))
            if not page.get("IsTruncated"):
                return
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def delete(self, key: str) -> None:
        self._call("delete_object", Key=key)

    def make(self) -> None:
        region = self._client.meta.region_name
        where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        with suppress(_There):
            self._call("create_bucket", **where)

    def link(self, key: str, expiry: float) -> tuple[str, float] | None:
        seconds = int(min(expiry, LONGEST_LINK))
        try:
            url: str = self._client.generate_presigned_url(
                "get_object", Params={"Bucket": self._bucket, "Key": key}, ExpiresIn=seconds
            )
        except boto.BotoCoreError as error:
            raise _error(error, self._host) from None
        return url, self._clock.wall() + seconds

    def describe(self) -> str:
        return f"s3 bucket {self._bucket} at {self._host}"

    def _call(self, operation: str, **arguments: object) -> "_Answer":
        try:
            answer: _Answer = getattr(self._client, operation)(Bucket=self._bucket, **arguments)
        except _FAILURES as error:
            raise _error(error, self._host) from None
        return answer


_Answer = dict[str, Any]
_FAILURES = (boto.ClientError, boto.BotoCoreError, ResponseParserError)


class _There(Permanent):
    """The bucket that shall be made is there. Not every store tells ours from another's: putting will."""


class _Missing(Permanent):
    """404 for a key; where a key cannot be missing, the address is wrong."""


def _client(config: S3Store) -> Any:  # boto3 makes its classes at run time: there is no type to name
    session = boto3.session.Session(
        aws_access_key_id=config.access_key.reveal() if config.access_key else None,
        aws_secret_access_key=config.secret_key.reveal() if config.secret_key else None,
        aws_session_token=config.session_token.reveal() if config.session_token else None,
        region_name=config.region,
    )
    client = session.client(
        "s3",
        region_name=session.region_name or "us-east-1",
        endpoint_url=config.endpoint.reveal() if config.endpoint else None,
        verify=str(config.ca) if config.ca else None,
        config=Config(
            signature_version="s3v4",
            retries={"total_max_attempts": 1},
            connect_timeout=CONNECT,
            read_timeout=READ,
            tcp_keepalive=True,
            s3={"addressing_style": _addressing(config)},
            request_checksum_calculation=_checksums(config),
            response_checksum_validation=_checksums(config),
        ),
    )
    client.meta.events.register("before-call.s3.HeadBucket", _no_hunt)
    client.meta.events.register("before-call.s3", _prepares)
    client.meta.events.register("before-send.s3", _sends)
    return client


def _prepares(params: _Answer, **_: object) -> None:
    """What is read from now on is read for checksums and, without TLS, the signature."""
    if body := _body_in(params["body"]):
        body.leaving = False


def _sends(request: Any, **_: object) -> None:
    if body := _body_in(request.body):
        body.leaving = True


def _body_in(data: object) -> Body | None:
    """Our own, as it is or wrapped by the SDK, which may send a checksum behind it."""
    return next((part for part in (data, *getattr(data, "__dict__", {}).values()) if isinstance(part, Body)), None)


def _no_hunt(**_: object) -> tuple[SimpleNamespace, _Answer]:
    """Where a redirect does not name a region, boto3 asks for it with a HeadBucket; if that is redirected as well (a
    hotel's Wi-Fi), it asks again without end. We ask for no bucket ourselves: let it learn nothing.
    """
    return SimpleNamespace(status_code=200), {"ResponseMetadata": {"HTTPHeaders": {}}}


def _addressing(config: S3Store) -> str:
    """`path` for every endpoint of one's own: a bucket as a host name needs DNS that few of them have."""
    if config.addressing == "auto":
        return "path" if config.endpoint else "auto"
    return config.addressing


def _checksums(config: S3Store) -> str:
    """Beside Content-MD5, which always goes along: many a store other than AWS stumbles over the newer ones."""
    sdk = config.checksums == "sdk" or (config.checksums == "auto" and config.endpoint is None)
    return "when_supported" if sdk else "when_required"


def _stored(key: str, answer: _Answer) -> Stored:
    etag = str(answer.get("ETag", "")).strip('"')
    told = answer.get("Metadata", {})
    md5 = None if _sealed(answer) else _md5(etag)
    return Stored(key, answer.get("ContentLength", -1), etag or None, md5 or told.get("md5"), told.get("sha256"))


def _sealed(answer: _Answer) -> bool:
    """Encrypted with a key of the user's: then the ETag looks like an MD5 and is none."""
    return "aws:kms" in str(answer.get("ServerSideEncryption", "")) or "SSECustomerAlgorithm" in answer


def _md5(etag: str) -> str | None:
    """An ETag that looks like an MD5 is one, but for sealed objects."""
    return etag if len(etag) == 32 and all(digit in "0123456789abcdef" for digit in etag) else None


def _error(error: Exception, host: str) -> StoreError:
    """Any failure of boto3 as one of ours."""
    if isinstance(error, boto.ClientError):
        answer = error.response
        code = str(answer.get("Error", {}).get("Code", ""))
        reply = answer.get("ResponseMetadata", {})
        status = int(reply.get("HTTPStatusCode", 0))
        if status == 404 and code in ("", "404", "NotFound", "NoSuchKey"):
            return _Missing(f"{host} knows no such address (404)", "check offload.store.endpoint and bucket")
        if code in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
            return _There(f"the bucket exists already ({status})")
        return judge(status, code, REFUSALS, key_hint=_KEY, headers=reply.get("HTTPHeaders", {}))
    if isinstance(error, boto.NoCredentialsError | boto.PartialCredentialsError | boto.CredentialRetrievalError):
        return BadCredentials("there are no credentials for the store", "set offload.store.access_key and secret_key")
    if isinstance(error, boto.ConnectionError | boto.HTTPClientError | boto.IncompleteReadError):
        return unreachable(host, error)
    if isinstance(error, ResponseParserError):
        return imposter("no XML")
    return BadSettings(f"boto3 refuses the settings of the store: {error}", "check every line of offload.store")
