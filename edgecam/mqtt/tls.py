"""The TLS context of a connection, made anew each time: certificates are renewed while we run."""

import ssl
from pathlib import Path

from edgecam.config import model


class _Socket(ssl.SSLSocket):
    """Closes itself when the handshake fails; paho would leave that to the garbage collector."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
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
