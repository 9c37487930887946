"""A key pair of age, and what it opens: for tests of sealed media."""

import pyrage


class Key:
    """`recipient` goes into offload.encrypt, `identity` stays at home."""

    def __init__(self) -> None:
        self._identity = pyrage.x25519.Identity.generate()
        self.identity = str(self._identity)
        self.recipient = str(self._identity.to_public())

    def opens(self, sealed: bytes) -> bytes:
        """By the library itself. Raises pyrage.DecryptError."""
        plain: bytes = pyrage.decrypt(sealed, [self._identity])
        return plain
