"""The TLS context of a connection, made anew each time: certificates are renewed while we run."""

import ssl
from pathlib import Path

from edgecam.config import model

NO_TLS = "the broker speaks no TLS on this port; check mqtt.port and mqtt.tls"


class _Socket(ssl.SSLSocket):
    """Closes itself when the handshake fails; paho would leave that to the garbage collector. A hang-up gets words."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except (ConnectionResetError, ssl.SSLEOFError) as error:
            self.close()
            raise ConnectionResetError(NO_TLS) from error
        except OSError:
            self.close()
            raise


def context(tls: model.MqttTls | None) -> ssl.SSLContext | None:
    """None without TLS. Blocking; raises ValueError that names the option and the file."""
    if tls is None:
        return None
    made = _trusting(tls.ca)
    if tls.cert is not None:
        password = tls.key_password.reveal() if tls.key_password else ""  # "": never asks on the terminal
        try:
            made.load_cert_chain(tls.cert, tls.key, password)
        except OSError as error:
            raise ValueError(f"mqtt.tls.cert: {tls.cert} with key {tls.key or tls.cert}: {error.strerror}") from error
    if not tls.verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    return made


def _trusting(ca: Path | None) -> ssl.SSLContext:
    try:
        made = ssl.create_default_context(cafile=ca)
    except OSError as error:
        raise ValueError(f"mqtt.tls.ca: {ca}: {error.strerror}") from error
    made.sslsocket_class = _Socket
    return made


CURES = (
    ("expired", "renew it at the broker; is the clock of this box right?"),
    ("not yet valid", "is the clock of this box right?"),
    ("mismatch", "mqtt.host must be a name that stands in it"),
)
"""By the words of OpenSSL."""


def words(error: ssl.SSLError) -> str:
    """What keeps the two sides from trusting each other, and the cure."""
    if isinstance(error, ssl.SSLCertVerificationError):
        doubt = error.verify_message
        cure = next((cure for word, cure in CURES if word in doubt), "mqtt.tls.ca must name the authority behind it")
        return f"the broker's certificate is not to be trusted ({doubt}); {cure}"
    why = (error.reason or "").lower().replace("_", " ")
    if why == "wrong version number":
        return NO_TLS
    if "certificate required" in why:
        return "the broker wants a certificate of ours; name it in mqtt.tls.cert"
    if "alert" in why:
        return f"the broker broke off TLS ({why}); check mqtt.tls.cert and mqtt.tls.key"
    return f"TLS: {why or error}"
