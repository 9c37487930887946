"""The box's own sections: log, MQTT, HTTP, storage."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from edgecam.config.fields import (
    OFF,
    SEVERAL,
    SWITCH,
    UNQUOTED,
    Address,
    AlsoTakes,
    Bytes,
    Duration,
    Place,
    Section,
    Word,
)
from edgecam.config.secret import Secret, Url
from edgecam.config.units import Address as HostPort

Level = Literal["debug", "info", "warning", "error"]


class Log(Section):
    """What is written to stderr."""

    level: Level = Field("info", description="debug, info, warning or error.")
    format: Literal["auto", "text", "json"] = Field("auto", description="auto: text, with priorities under systemd.")
    modules: dict[str, Level] = Field({}, description="Levels of their own, such as {mqtt: debug}.")


class MqttTls(Section):
    """TLS to the broker."""

    ca: Place | None = Field(None, description="Certificates to trust, PEM; the system's when absent.")
    cert: Place | None = Field(None, description="Our own certificate, PEM, where the broker asks for one.")
    key: Place | None = Field(None, description="Its key.")
    key_password: Secret | None = Field(None, description="The key's password.")
    verify: bool = Field(True, description="false: any certificate and any name will do. Only for finding a fault.")


def _topic(value: str) -> str:
    if not value or set(value) & set("+#\0") or value.startswith(("/", "$")) or value.endswith("/"):
        raise ValueError("must be an MQTT topic without + and #, without a slash at either end")
    return value


class Mqtt(Section):
    """The broker. Absent: no MQTT."""

    host: Word = Field("homeassistant.local", description="The broker's name or address.")
    port: int | None = Field(None, ge=1, le=65535, description="[1883, 8883 with tls]")
    username: Word | None = Field(None, description="[edgecam when there is a password]")
    password: Secret | None = Field(None, description="The broker's password.")
    client_id: Word | None = Field(None, description="[edgecam-<node>-<6 hex of this installation>]")
    protocol: Annotated[Literal["auto", "5", "3.1.1"], AlsoTakes({"const": 5, "description": UNQUOTED})] = Field(
        "auto", description="auto: 5, then 3.1.1 if the broker refuses."
    )
    keepalive: Duration = Field(30, ge=5, le=65535, description="The broker notices our end after 1.5 times this.")
    tls: Annotated[MqttTls | None, *SWITCH] = Field(None, description="true, false, or its own keys.")
    base_topic: str = Field("edgecam", description="Everything is published below <base_topic>/<node>.")
    discovery: Annotated[str | None, *OFF] = Field(
        "homeassistant", description="Home Assistant's discovery prefix; false: earlier messages are cleared."
    )
    birth_topic: str = Field("homeassistant/status", description="Where Home Assistant says that it has started.")
    commands: bool = Field(True, description="false: publish only.")
    image_limit: Bytes = Field(500_000, ge=10_000, description="Larger pictures are re-encoded smaller.")

    @field_validator("base_topic", "discovery", "birth_topic")
    @classmethod
    def _topics(cls, value: str | None) -> str | None:
        return None if value is None else _topic(value)

    @field_validator("protocol", mode="before")
    @classmethod
    def _version(cls, value: object) -> object:
        return str(value)

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, data: object) -> object:
        if not isinstance(data, dict):
            return data
        filled = dict(data)
        if filled.get("password") is not None and filled.get("username") is None:
            filled["username"] = "edgecam"
        return filled

    @property
    def effective_port(self) -> int:
        """The port to connect to."""
        return self.port or (8883 if self.tls else 1883)


class HttpTls(Section):
    """TLS of our own pages."""

    cert: Place = Field(description="Certificate chain, PEM.")
    key: Place = Field(description="Its key.")


Role = Literal["viewer", "admin"]


class User(Section):
    """A person."""

    password: Secret = Field(description="Plain, or a hash made by `edgecam password`.")
    role: Role = Field("viewer", description="viewer looks; admin also changes and deletes.")


class Token(Section):
    """A program or a device."""

    token: Secret = Field(description="Sent as bearer token, or ?token= on pictures and streams.")
    cameras: tuple[str, ...] | None = Field(None, description="Which cameras it may see; all when absent.")
    role: Role = Field("viewer", description="viewer looks; admin also changes and deletes.")


class Http(Section):
    """Pages, pictures, streams and the API."""

    listen: Annotated[tuple[Address, ...], SEVERAL, Field(min_length=1), AlsoTakes({"type": "string"})] = Field(
        (HostPort("127.0.0.1", 8000),),
        description="One address or a list; port 0: a free one. Beyond loopback it needs users, tokens or auth: none.",
    )
    external_url: Url | None = Field(None, description="How Home Assistant and phones reach this box; links need it.")
    auth: Literal["auto", "none"] = Field("auto", description="auto: login as soon as users or tokens exist.")
    users: dict[Word, User] = Field({}, description="People, by name.")
    tokens: dict[Word, Token] = Field({}, description="Programs and devices, by name.")
    public: tuple[str, ...] = Field((), description="Readable without login, such as [birdbox/snapshot, metrics].")
    root: Literal["page", "snapshot", "stream"] = Field("page", description="What / answers (first camera).")
    rate_limit: Word | None = Field(None, description="Such as 1/s for each client address on snapshots.")
    tls: Annotated[HttpTls | None, *OFF] = Field(None, description="Certificate and key; false: plain HTTP.")
    base_path: Word = Field("/", description="Where a reverse proxy shows us.")
    trusted_proxies: tuple[Word, ...] = Field((), description="Whose X-Forwarded-* and X-Ingress-Path count.")
    max_clients: int = Field(200, ge=1, le=100_000, description="More are answered 503.")
    access_log: bool = Field(False, description="One line for each request.")


class Storage(Section):
    """The local disk."""

    path: Place | None = Field(
        None,
        description="Recordings, snapshots and spool "
        "[$STATE_DIRECTORY, else /var/lib/edgecam as root, else ~/.local/state/edgecam]",
    )
    require_mount: bool = Field(
        False, description="Write only while something is mounted at path itself; state must be set."
    )
    limit: Bytes = Field(8_000_000_000, gt=0, description="Quota over everything below path.")
    reserve: Bytes = Field(500_000_000, description="Never leave the file system less than this.")
    when_full: Literal["drop-oldest", "stop"] = Field(
        "drop-oldest", description="drop-oldest goes by worth: stored first, manual clips last. stop: nothing new."
    )
