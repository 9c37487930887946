"""S3 in its portable subset: what AWS, R2, B2, MinIO, Ceph, Wasabi, rclone and the others all understand.

One PUT with Content-MD5, or one for each part of a large file; one attempt: the patience is the uploader's. Loads
boto3; imported by the worker only.
"""

import base64
import os
import re
import ssl
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import botocore.exceptions as boto
from botocore.config import Config
from botocore.credentials import RefreshableCredentials
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
from edgecam.offload.stores.asking import Asking
from edgecam.offload.stores.body import BLOCK, Body, opened
from edgecam.offload.stores.journal import Forgotten
from edgecam.offload.stores.multipart import Multipart, Unsure
from edgecam.offload.stores.s3_signing import sign_with
from edgecam.offload.stores.skew import Skew
from edgecam.offload.stores.verdict import Refusals, imposter, judge, unreachable

CONNECT, READ = 30, 600  # s; the worker is replaced long before, unless all is sent and buffers drain
"""Seconds. A read time-out below the time to drain the socket's buffers through a slow line makes duplicates."""
LONGEST_LINK = 7 * 86400
"""Of a presigned URL, by the rules of Signature Version 4."""
LONGEST_SESSION = 36 * 3600
"""Of temporary credentials that do not say when they end: AWS gives none for longer."""
CHUNK = 1 << 20
WHOLE, PART = 64 << 20, 16 << 20
"""Bytes up to which a file goes in one PUT, and of each part of a larger one."""

_KEY = "check offload.store.secret_key"
REFUSALS: Refusals = {
    "InvalidAccessKeyId": (BadCredentials, "the store does not know the access key", "check offload.store.access_key"),
    "SignatureDoesNotMatch": (BadCredentials, "the store refused the key", _KEY),
    "AccessDenied": (
        BadCredentials,
        "the store does not allow this key to do that",
        "the key needs s3:PutObject on the bucket; to fetch, s3:ListBucket and s3:GetObject",
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

    def __init__(self, config: S3Store, clock: Clock | None = None, *, whole: int = WHOLE, part: int = PART) -> None:
        """What is larger than `whole` goes in parts of `part` bytes."""
        self._bucket, self._clock = config.bucket, clock or SystemClock()
        self._host = config.endpoint.host if config.endpoint else "AWS"
        self._whole, self._crc = whole, _sdk_checksums(config)
        self._parts, self._asking = Multipart(self._call, self.describe(), part), Asking(self._clock)
        try:
            self._session = _session(config)
            self._client = _client(config, self._session)
        except (boto.BotoCoreError, ValueError, OSError) as error:
            raise _error(error, self._host) from None
        self._skew = Skew(self._clock)
        sign_with(self._client, self._skew)

    @property
    def ahead(self) -> float | None:
        return self._skew.ahead

    def put(self, upload: Upload, progress: Callable[[int], None]) -> Stored:
        stored = self._put_parts(upload, progress) if upload.size > self._whole else self._put_whole(upload, progress)
        self._asking.settle(lambda: self._head(upload.key))
        return stored

    def _put_whole(self, upload: Upload, progress: Callable[[int], None]) -> Stored:
        more = {"ChecksumCRC32": _crc32(upload, progress)} if self._crc else {}
        with Body(upload, progress) as body:
            answer = self._call(
                "put_object",
                Key=upload.key,
                Body=body,
                ContentLength=upload.size,
                ContentMD5=base64.b64encode(bytes.fromhex(upload.md5)).decode(),
                ContentType=upload.content_type,
                Metadata=dict(upload.metadata),
                **more,
            )
        etag = _etag(answer)
        if etag == upload.md5:
            return Stored(upload.key, upload.size, etag, upload.md5, upload.sha256)
        if _md5(etag) and not _sealed(answer):
            raise Corrupt("what the store wrote has another MD5 than the file")
        return self._verified(upload, etag)

    def _put_parts(self, upload: Upload, progress: Callable[[int], None]) -> Stored:
        try:
            answer, expected = self._parts.put(upload, progress)
        except Unsure as error:
            return self._settled(upload, error)
        etag = _etag(answer)
        if _COMPOSITE.fullmatch(etag) and etag != expected and not _sealed(answer):
            raise Corrupt("what the store made of the parts has another MD5 than the file")
        return self._verified(upload, etag)

    def _settled(self, upload: Upload, error: Unsure) -> Stored:
        """The object, where a lost answer to its completion was a yes. Raises `error` where nothing proves that."""
        with suppress(StoreError):
            there = self.stat(upload.key)
            proofs = (error.etag, upload.md5, upload.sha256)
            if there and there.size == upload.size and {there.etag, there.md5, there.sha256} & {*proofs}:
                return there
        raise error

    def _verified(self, upload: Upload, etag: str) -> Stored:
        """The answer to the PUT proves nothing by itself: ask for the size. Put-only keys must take the answer."""
        if not etag:
            raise imposter("no ETag")
        try:
            there = self._asking.ask(lambda: self._head(upload.key), put=True)
        except Permanent:
            return Stored(upload.key, upload.size, etag, upload.md5, upload.sha256)
        if there is None or there.size != upload.size:
            found = "nothing" if there is None else f"{there.size} bytes"
            raise Transient(f"the store said yes but holds {found} of {upload.size} bytes")
        return there

    def stat(self, key: str, pulse: Callable[[], object] = lambda: None) -> Stored | None:
        return self._asking.ask(lambda: self._head(key))

    def _head(self, key: str) -> Stored | None:
        try:
            answer = self._call("head_object", Key=key)
        except _Missing:
            return None
        return self._stored(key, answer)

    def _stored(self, key: str, answer: "_Answer") -> Stored:
        etag, size = _etag(answer), answer.get("ContentLength", -1)
        part = self._parts.part(size) if _COMPOSITE.fullmatch(etag) and not _sealed(answer) else None
        md5 = None if _sealed(answer) else _md5(etag)
        return Stored(key, size, etag or None, md5, answer.get("Metadata", {}).get("sha256"), part)

    def get(self, key: str, file: Path) -> Stored | None:
        try:
            answer = self._call("get_object", Key=key)
        except _Missing:
            return None
        found, part = self._stored(key, answer), file.with_name(file.name + ".part")
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

    def abandon(self, journal: Path) -> None:
        self._parts.abandon(journal)

    def make(self) -> None:
        region = self._client.meta.region_name
        where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        with suppress(_There):
            self._call("create_bucket", **where)

    def link(self, key: str, expiry: float) -> tuple[str, float] | None:
        try:
            seconds = int(min(expiry, LONGEST_LINK, self._life()))
            url: str = self._client.generate_presigned_url(
                "get_object", Params={"Bucket": self._bucket, "Key": key}, ExpiresIn=seconds
            )
        except _FAILURES as error:
            raise _error(error, self._host) from None
        return url, self._clock.wall() + seconds

    def _life(self) -> float:
        """Seconds that the credentials live at most: a link dies with those that signed it."""
        credentials = self._session.get_credentials()
        if isinstance(credentials, RefreshableCredentials):
            credentials.get_frozen_credentials()  # renews them when they are about to end
            ends: datetime = credentials._expiry_time  # botocore has no other way to tell
            return max(1.0, ends.timestamp() - self._clock.wall())
        return LONGEST_SESSION if credentials and credentials.token else LONGEST_LINK

    def describe(self) -> str:
        return f"s3 bucket {self._bucket} at {self._host}"

    def _call(self, operation: str, **arguments: object) -> "_Answer":
        try:
            answer: _Answer = getattr(self._client, operation)(Bucket=self._bucket, **arguments)
        except _FAILURES as error:
            raise _error(error, self._host) from None
        return answer


_Answer = dict[str, Any]
_FAILURES = (boto.ClientError, boto.BotoCoreError, ResponseParserError, RuntimeError)


_COMPOSITE = re.compile(r"[0-9a-f]{32}-[0-9]+")
"""The ETag of an object that was put in parts."""


class _There(Permanent):
    """The bucket that shall be made is there. Not every store tells ours from another's: putting will."""


class _Missing(Permanent):
    """404 for a key; where a key cannot be missing, the address is wrong."""


def _session(config: S3Store) -> boto3.session.Session:
    return boto3.session.Session(
        aws_access_key_id=config.access_key.reveal() if config.access_key else None,
        aws_secret_access_key=config.secret_key.reveal() if config.secret_key else None,
        aws_session_token=config.session_token.reveal() if config.session_token else None,
        region_name=config.region,
    )


def _client(config: S3Store, session: boto3.session.Session) -> Any:  # boto3 makes its class at run time
    client = session.client(
        "s3",
        region_name=session.region_name or "us-east-1",
        endpoint_url=config.endpoint.reveal() if config.endpoint else None,
        verify=_trusting(config.ca) if config.ca else None,
        config=Config(
            signature_version="s3v4",
            retries={"total_max_attempts": 1},
            connect_timeout=CONNECT,
            read_timeout=READ,
            tcp_keepalive=True,
            s3={"addressing_style": _addressing(config)},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_supported" if _sdk_checksums(config) else "when_required",
        ),
    )
    client.meta.events.register("before-call.s3.HeadBucket", _no_hunt)
    client.meta.events.register("before-call.s3", _prepares)
    client.meta.events.register("before-send.s3", _sends)
    return client


def _trusting(ca: Path) -> str:
    """The path of `ca`, which must hold a certificate: boto3 calls all else a store that is out of reach."""
    try:
        ssl.create_default_context(cafile=ca)
    except OSError as error:
        why = "no certificate in PEM" if isinstance(error, ssl.SSLError) else error.strerror
        raise BadSettings(f"{ca}: {why}", "check offload.store.ca") from None
    return str(ca)


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


def _sdk_checksums(config: S3Store) -> bool:
    """Beside Content-MD5, which always goes along: many a store other than AWS stumbles over the newer ones."""
    return config.checksums == "sdk" or (config.checksums == "auto" and config.endpoint is None)


def _etag(answer: _Answer) -> str:
    return str(answer.get("ETag", "")).strip('"')


def _crc32(upload: Upload, progress: Callable[[int], None]) -> str:
    """The SDK's own checksum, made beforehand. Left to itself it sends it after the body, in chunks of a coding of its
    own, and what a Content-MD5 of such a body is of, stores do not agree.
    """
    crc = 0
    with opened(upload) as file:
        while data := file.read(BLOCK):
            crc = zlib.crc32(data, crc)
            progress(0)
    return base64.b64encode(crc.to_bytes(4)).decode()


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
        if code in ("NoSuchUpload", "InvalidPart", "InvalidPartOrder"):
            return Forgotten(f"the store has forgotten an upload that was begun ({status} {code})")
        if code in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
            return _There(f"the bucket exists already ({status})")
        return judge(status, code, REFUSALS, key_hint=_KEY, headers=reply.get("HTTPHeaders", {}))
    if isinstance(error, RuntimeError):
        if "expired" not in str(error):  # botocore says it thus of what its own chain found
            raise error
        return BadCredentials("the credentials have expired", "renew them where the AWS SDK finds them")
    if isinstance(error, boto.SSOError | boto.TokenRetrievalError):
        return BadCredentials(f"the AWS SDK finds no credentials: {error}", "sign in anew, or set access_key")
    if isinstance(error, boto.FlexibleChecksumError):
        return Transient("the bytes were changed on their way here")
    if isinstance(error, boto.NoCredentialsError | boto.PartialCredentialsError | boto.CredentialRetrievalError):
        return BadCredentials("there are no credentials for the store", "set offload.store.access_key and secret_key")
    if isinstance(error, boto.ConnectionError | boto.HTTPClientError | boto.IncompleteReadError):
        return unreachable(host, error)
    if isinstance(error, ResponseParserError):
        return imposter("no XML")
    return BadSettings(f"boto3 refuses the settings of the store: {error}", "check every line of offload.store")
