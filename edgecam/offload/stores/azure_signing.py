"""Signatures with the store's time, for the SDK of Azure, which signs `x-ms-date`. See skew.py."""

from typing import Any

from azure.storage.blob import ExponentialRetry

from edgecam.offload.stores.skew import Skew


def options(skew: Skew) -> dict[str, Any]:
    """Of a client: it dates its requests by `skew`, and tells it of every answer."""

    def date(request: Any) -> None:
        request.http_request.headers["x-ms-date"] = skew.header

    return {"raw_request_hook": date, "retry_policy": _OnceMore(skew)}


class _OnceMore(ExponentialRetry):
    """Retries nothing, but for a refusal that shows how wrong our clock is."""

    def __init__(self, skew: Skew) -> None:
        super().__init__(retry_total=0)
        self._skew = skew

    def send(self, request: Any) -> Any:
        response = super().send(request)  # type: ignore[no-untyped-call]
        answer = response.http_response
        if self._skew.hear(answer.headers) and answer.status_code in (400, 403):
            body = request.http_request.body
            if hasattr(body, "seek"):
                body.seek(0)
            response = super().send(request)  # type: ignore[no-untyped-call]
            self._skew.hear(response.http_response.headers)
        return response
