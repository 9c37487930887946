"""How long the credentials of the store last, as far as they say so themselves. Pure: nobody is asked.

A shared access signature of Azure names its start and its end (`st`, `se`) in plain sight; the keys of S3 say nothing.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qsl

from edgecam.config.store import AzureStore, StoreConfig

SOON = 7 * 86400.0
"""Seconds before the end from which on a person should know."""
DAY = 86400.0


@dataclass(frozen=True, slots=True)
class Lasting:
    """When a SAS token begins and ends to be of use, unix seconds; None where it does not say."""

    starts: float | None = None
    ends: float | None = None

    def warning(self, now: float) -> str | None:
        """What a person should know, in words; None as long as the end is not near."""
        if self.ends is None or self.ends - now > SOON:
            return None
        return self.refused(now) or f"the SAS token ends {_in_words(self.ends - now)} ({_date(self.ends)})"

    def refused(self, now: float) -> str | None:
        """Why the store does not take it; None where its times are not to blame."""
        if self.ends is not None and now >= self.ends:
            return f"the SAS token ended on {_date(self.ends)}"
        if self.starts is not None and now < self.starts:
            return f"the SAS token begins on {_date(self.starts)} only"
        return None


def lasts(config: StoreConfig) -> Lasting:
    """What the credentials say now: secrets are read again from their files, so ask again."""
    token = _sas(config) if isinstance(config, AzureStore) else ""
    fields = dict(parse_qsl(token.strip().removeprefix("?")))
    return Lasting(_time(fields.get("st")), _time(fields.get("se")))


def _sas(config: AzureStore) -> str:
    """The token that is used; empty where there is none, or a key that goes before it."""
    if config.connection_string:
        pieces = (piece.partition("=") for piece in config.connection_string.reveal().split(";"))
        known = {name.strip().lower(): value for name, _, value in pieces}
        return "" if "accountkey" in known else known.get("sharedaccesssignature", "")
    return config.sas_token.reveal() if config.sas_token else ""


def _time(text: str | None) -> float | None:
    """Of ISO 8601 as Azure takes it: a day, or with minutes, seconds or more, in UTC."""
    try:
        found = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _date(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _in_words(seconds: float) -> str:
    if seconds < 2 * 3600:
        return "within two hours"
    return f"in {round(seconds / 3600)} hours" if seconds < 2 * DAY else f"in {round(seconds / DAY)} days"
