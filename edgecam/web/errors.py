"""Every failure becomes an answer in JSON with a sentence; every answer gets the headers that protect it."""

import logging

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger
from aiohttp.http import HttpProcessingError
from aiohttp.typedefs import Handler

from edgecam.web.answers import Refused, refusal

log = logging.getLogger(__name__)

_SENTENCES = {
    404: ("not_found", "there is nothing at this address"),
    405: ("method_not_allowed", "this address takes no such method"),
    413: ("too_large", "that is more than edgecam takes"),
}


@web.middleware
async def explain(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The outermost middleware."""
    try:
        return await handler(request)
    except Refused as refused:
        return refusal(refused)
    except web.HTTPException as error:
        word, sentence = _SENTENCES.get(error.status, ("bad_request", error.reason))
        answer = refusal(Refused(error.status, word, sentence))
        if "Allow" in error.headers:
            answer.headers["Allow"] = error.headers["Allow"]
        return answer
    except Exception as error:  # a bug of ours must not show its insides to the net, and must not end the daemon
        if isinstance(error, ConnectionError) and (request.transport is None or request.transport.is_closing()):
            return refusal(Refused(400, "gone", "you left before the answer"))  # and nobody will read it
        log.exception("http: %s %s failed", request.method, request.path)
        return refusal(Refused(500, "internal", "edgecam made a mistake here; its log says more"))


async def protect(_: web.Request, response: web.StreamResponse) -> None:
    """Signal: `?token=` must not leave in a Referer, and nothing is taken for what it is not."""
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "no-referrer")
    response.headers.setdefault("Server", "edgecam")


class Nonsense(logging.Filter):
    """aiohttp logs a traceback, request and all, for whoever does not speak HTTP; port scans are not our errors."""

    def filter(self, record: logging.LogRecord) -> bool:
        nonsense = record.exc_info is not None and isinstance(record.exc_info[1], HttpProcessingError)
        if nonsense:
            log.debug("http: refused what is not HTTP")
        return not nonsense


protocol_log = logging.getLogger(f"{__name__}.protocol")
"""For aiohttp's own words."""
protocol_log.addFilter(Nonsense())


class AccessLog(AbstractAccessLogger):
    """One line for each answer, without the query: it may hold a token."""

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        path = request.path.encode("ascii", "backslashreplace").decode()
        self.logger.info(
            "http: %s %s %s %d %d bytes %.3f s",
            request.remote,
            request.method,
            path if path.isprintable() else ascii(path),
            response.status,
            response.body_length,
            time,
        )
