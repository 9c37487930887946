"""What the answer of a store, or its silence, means: patience, a person, or damage. Pure.

The codes are those of the S3 error list and of Azure's blob error list; stores of other makers send the same
ones or none at all, so the status alone must be enough.
"""

import ssl
from collections.abc import Iterator, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

from edgecam.offload.stores import (
    BadCredentials,
    BadSettings,
    Corrupt,
    Permanent,
    StoreError,
    StoreFull,
    Transient,
)

DAMAGED = {"BadDigest", "InvalidDigest", "Md5Mismatch", "XAmzContentSHA256Mismatch"}
BUSY = {"SlowDown", "RequestTimeout", "Throttling", "ThrottlingException", "TooManyRequests", "RequestLimitExceeded"}
BUSY |= {"OperationAborted", "ConditionalRequestConflict", "InternalError", "ServerBusy", "OperationTimedOut"}
FOR_A_PERSON = (501, 505, 507)
"""5xx that do not pass by themselves: not implemented, version not supported, no space left."""

OCCUPIED = {"PreconditionFailed", "ConditionNotMet", "BlobAlreadyExists"}
"""Something lies at the key: ours, perhaps, of an attempt whose answer was lost. The next attempt compares."""

Refusals = Mapping[str, tuple[type[Permanent], str, str]]
"""Code -> what sort of thing it is, what it means, and the likely cure."""


def judge(status: int, code: str, refusals: Refusals, *, key_hint: str, headers: Mapping[str, str]) -> StoreError:
    """The error for an answer with `status` and the store's own `code` (or an empty text)."""
    detail = " ".join(filter(None, (str(status), code if code != str(status) else "")))
    if code in DAMAGED:
        return Corrupt(f"the bytes were changed on their way ({detail})")
    if code == "IncompleteBody":  # large files meet it more often, and are not to blame
        return Transient(f"the line was cut before the last byte ({detail})")
    if code in refusals:
        sort, text, hint = refusals[code]
        return sort(f"{text} ({detail})", hint)
    if code in OCCUPIED or status == 412:
        return Transient(f"something is at the key already ({detail}); it is looked at next")
    if code in BUSY or status in (408, 409, 425, 429) or (status >= 500 and status not in FOR_A_PERSON):
        return Transient(f"the store is busy ({detail})", retry_after=retry_after(headers))
    if status < 400:
        return imposter(detail)
    if status in (401, 403):
        return BadCredentials(f"the store refused the key ({detail})", key_hint)
    if status == 507:
        return StoreFull(f"the store is full ({detail})", "make room in the store")
    return BadSettings(f"the store does not take what we send ({detail})", "check every line of offload.store")


def imposter(detail: str) -> Transient:
    """Something in between answers instead of the store, as the Wi-Fi of a hotel does."""
    return Transient(f"what answers is not the store ({detail})", "a proxy or a login page in between?")


def unreachable(host: str, error: BaseException) -> StoreError:
    """The error for a request that got no answer; the cause is looked for in whatever the libraries wrapped it in."""
    words = ""
    for cause in _causes(error):
        if isinstance(cause, StoreError):
            return cause
        if doubt := _doubt(cause):
            return BadSettings(f"the certificate of {host} is not to be trusted: {doubt}", _cure(doubt))
        if isinstance(cause, ssl.SSLError) and getattr(cause, "reason", None) == "WRONG_VERSION_NUMBER":
            return Transient(f"{host} answers without TLS", "should offload.store.endpoint begin with http://?")
        if isinstance(cause, TimeoutError):
            words = "no answer in time"
        elif isinstance(cause, ssl.SSLEOFError):
            words = "the connection broke"
        elif isinstance(cause, OSError) and cause.strerror:
            words = cause.strerror
    return Transient(f"{host} cannot be reached: {words or f'the connection broke ({type(error).__name__})'}")


def _doubt(cause: BaseException) -> str | None:
    """Why the store's certificate is not to be trusted, if it is that. urllib3 compares names itself, and has an error
    of its own for it.
    """
    if isinstance(cause, ssl.SSLCertVerificationError):
        return cause.verify_message
    return str(cause) if type(cause).__name__ == "CertificateError" else None


def _cure(doubt: str) -> str:
    """By the words of OpenSSL and urllib3."""
    if "expired" in doubt or "not yet valid" in doubt:
        return "is this box's clock right? else the store needs a new one"
    return "check the name in offload.store.endpoint" if "match" in doubt else "check offload.store.ca"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """`error` and everything below it: causes, contexts, and errors handed along as arguments."""
    queue, seen = [error], set[int]()
    while queue:
        cause = queue.pop(0)
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        below = (cause.__cause__, cause.__context__, *cause.args, *vars(cause).values())
        queue += [other for other in below if isinstance(other, BaseException)]
        queue += [
            other
            for part in below
            if isinstance(part, dict)
            for other in part.values()
            if isinstance(other, BaseException)
        ]


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds from a `Retry-After` header (RFC 9110, 10.2.3), by the server's own clock; None without a sound one."""
    lower = {name.lower(): value for name, value in headers.items()}
    text = lower.get("retry-after", "").strip()
    if text.isdecimal():
        return float(text)
    then, now = _date(text), moment(lower)
    return max(0.0, (then - now).total_seconds()) if then and now else None


def moment(headers: Mapping[str, str]) -> datetime | None:
    """When an answer was made, by the server's own clock (`Date`, RFC 9110, 6.6.1)."""
    return next((_date(value) for name, value in headers.items() if name.lower() == "date"), None)


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except ValueError:
        return None
    return found if found.tzinfo else None
