"""Signatures with the store's time: botocore signs with this box's clock and has no setting for another one.

The two signers that we use are replaced, in the worker's process, by ones that take the time from the request where
somebody put one there. See skew.py.
"""

from typing import Any

import botocore.auth

from edgecam.offload.stores.skew import Skew

_TIME = "edgecam_time"


class _Dated:
    """Goes before a signer of botocore: the one place between its look at the clock and its signature."""

    def _modify_request_before_signing(self, request: Any) -> None:
        request.context["timestamp"] = request.context.get(_TIME, request.context["timestamp"])
        super()._modify_request_before_signing(request)  # type: ignore[misc]  # of botocore's class behind us


class _Header(_Dated, botocore.auth.S3SigV4Auth):  # type: ignore[misc]  # boto3 has no types
    pass


class _Query(_Dated, botocore.auth.S3SigV4QueryAuth):  # type: ignore[misc]
    pass


botocore.auth.AUTH_TYPE_MAPS.update({"s3v4": _Header, "s3v4-query": _Query})


def sign_with(client: Any, skew: Skew) -> None:
    """Let every request of `client` be signed with the time of `skew`, and every answer tell it.

    A refusal that shows how wrong our clock is, is not the last word: the request goes once more, at once.
    """

    def date(request: Any, **_: object) -> None:
        request.context[_TIME] = skew.now.strftime(botocore.auth.SIGV4_TIMESTAMP)

    def again(response: Any, attempts: int, **_: object) -> int | None:
        if response is None:
            return None
        answer, _parsed = response
        news = skew.hear(answer.headers)
        return 0 if news and answer.status_code in (400, 403) and attempts == 1 else None

    client.meta.events.register("before-sign.s3", date)
    client.meta.events.register("needs-retry.s3", again)
