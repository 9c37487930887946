"""Whom media is sealed for is read strictly: a slip of the pen is told at once, and no secret is shown."""

import base64
import struct

import pytest

from edgecam.config.recipient import recipient

# Of the example keys in age's own documentation and of ssh-keygen.
AGE = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
AGE_TOO = "age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg"


def ssh(kind: str, *fields: bytes) -> str:
    blob = b"".join(struct.pack(">I", len(field)) + field for field in fields)
    return f"{kind} {base64.b64encode(blob).decode()}"


ED25519 = ssh("ssh-ed25519", b"ssh-ed25519", bytes(32))
RSA = ssh("ssh-rsa", b"ssh-rsa", b"\x01\x00\x01", bytes(257))


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (AGE, AGE),
        (f"  {AGE_TOO}\n", AGE_TOO),
        (ED25519, ED25519),
        (f"{ED25519}  anna@desk of mine", ED25519),
        (RSA, RSA),
    ],
)
def test_public_keys_are_taken_without_blanks_and_comments(text: str, read: str) -> None:
    assert recipient(text) == read


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "must be an age recipient"),
        ("anna@example.org", "must be an age recipient"),
        (AGE[:-1], "age1 and 58 of the characters"),
        (AGE.replace("q", "b", 1), "age1 and 58 of the characters"),
        (AGE[:-1] + "q", "its checksum is wrong"),
        (AGE.replace("hj", "jh", 1), "its checksum is wrong"),
        ("age1yubikey1qwt50d05nh5vutpdzmlg5wn80xq5negm4uj9ghv0snvdd3yysf5yw3rhl3t", "plug-in"),
        ("AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX", "is a secret key"),
        ("age-secret-key-1gfpyysjz", "is a secret key"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "is a secret key"),
        ("ssh-dss AAAA", "of a kind"),
        ("ssh-ed25519", "something of it is missing"),
        ("ssh-ed25519 AAAA!", "something of it is missing"),
        ("ssh-ed25519 AAAA", "something of it is missing"),
        (ED25519[:-8], "something of it is missing"),
        (ED25519.replace("ssh-ed25519 ", "ssh-rsa "), "does not hold what it says"),
        (ssh("ssh-ed25519", b"ssh-ed25519", bytes(31)), "does not hold what it says"),
        (ssh("ssh-rsa", b"ssh-rsa", bytes(257)), "does not hold what it says"),
        (ssh("ssh-rsa", b"ssh-rsa", b"\x03", bytes(129)), "2048 bits"),
    ],
)
def test_anything_else_is_refused_with_words_and_without_the_text(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        recipient(text)
    assert not text or text not in str(caught.value)
