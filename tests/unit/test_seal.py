"""Sealed media: only its recipients can open what is in the store, and every attempt sends the same bytes."""

import errno
import hashlib
import io
import itertools
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pyrage
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from edgecam import durable
from edgecam.config.recipient import recipient
from edgecam.digest import digest
from edgecam.media import Layout, Sidecar
from edgecam.offload.deliver import Delivered, Parcel, deliver
from edgecam.offload.sealing import age, seal
from edgecam.offload.sealing.seal import Seal
from edgecam.offload.stores import BadCredentials, BadSettings, Corrupt, Stored, Transient, Upload
from edgecam.offload.stores.memory import Memory
from edgecam.offload.waiting.spool import Spool
from sealing import Key
from waiting import NOON, content, save

HOME, OFFICE = Key(), Key()
MEDIA = content(1000, seed=int(NOON))
LOST = Transient("the answer was lost")


class Box:
    """One clip that waits, and a store."""

    def __init__(self, root: Path) -> None:
        self.layout, self.spool, self.store = Layout(root), Spool(Layout(root)), Memory()
        self.clip = save(root)
        self.id = self.clip.media
        self.stem = self.id.key("", "garden")

    def parcel(self, *keys: Key) -> Parcel:
        return self.spool.parcel(self.clip, node="garden", prefix="", recipients=[key.recipient for key in keys])

    def brings(self, *keys: Key) -> Delivered:
        return deliver(self.store, self.parcel(*keys), lambda _: None)

    def fails(self, *keys: Key, after: int) -> None:
        """The store answers so many questions, and then there is a fault."""
        self.store.faults.extend([*[None] * after, LOST])
        with pytest.raises(Transient):
            self.brings(*keys)
        self.store.faults.clear()

    @property
    def objects(self) -> set[str]:
        return {key.removeprefix(self.stem) for key in self.store.objects}

    @property
    def sealed(self) -> bytes:
        return self.store.objects[f"{self.stem}.mp4.age"]

    @property
    def manifest(self) -> Sidecar:
        return Sidecar.model_validate_json(self.store.objects[f"{self.stem}.json"])

    def lose_seal(self) -> None:
        for path in self.layout.seals.iterdir():
            path.unlink()


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


def test_what_is_in_the_store_opens_for_each_recipient_and_nobody_else(box: Box) -> None:
    delivered = box.brings(HOME, OFFICE)
    assert delivered.key == f"{box.stem}.mp4.age"
    assert box.objects == {".mp4.age", ".json"}
    assert HOME.opens(box.sealed) == OFFICE.opens(box.sealed) == MEDIA
    with pytest.raises(pyrage.DecryptError):
        Key().opens(box.sealed)


def test_the_manifest_is_plain_and_tells_what_the_sealed_object_is(box: Box) -> None:
    delivered = box.brings(HOME, OFFICE)
    told = box.manifest.sealed
    assert told is not None
    assert (delivered.size, told.recipients) == (len(box.sealed), 2)
    assert (told.size, told.md5, told.sha256) == digest(io.BytesIO(box.sealed))
    assert box.manifest.model_copy(update={"sealed": None}) == box.clip


class Watched(Memory):
    """Remembers what was sent as it was sent."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[Upload] = []

    def put(self, upload: Upload, progress: Callable[[int], None]) -> Stored:
        self.sent.append(upload)
        return super().put(upload, progress)


def test_the_objects_metadata_tells_no_more_than_the_manifest(box: Box) -> None:
    store = Watched()
    deliver(store, box.parcel(HOME), lambda _: None)
    media, manifest = store.sent
    assert isinstance(manifest.body, bytes)
    told, metadata = json.loads(manifest.body), dict(media.metadata)
    assert metadata.pop("sha256") == media.sha256 == told["sealed"]["sha256"]
    assert {name: str(told[name]) for name in metadata} == metadata
    assert media.content_type == "application/octet-stream"


# Again and again


def test_the_next_attempt_sends_the_very_same_bytes(box: Box) -> None:
    box.fails(HOME, after=3)  # the media is stored; what fails is its manifest
    first = box.sealed
    assert (box.brings(HOME).sent, box.sealed, box.objects) == (False, first, {".mp4.age", ".json"})


def test_nothing_is_sealed_before_the_store_has_answered(box: Box) -> None:
    box.fails(HOME, after=0)
    assert not box.layout.seals.exists()


@pytest.mark.parametrize("how", ["lost", "torn", "another's", "without facts", "facts make no sense"])
def test_a_sealed_file_that_does_not_fit_is_made_anew(box: Box, how: str) -> None:
    box.fails(HOME, after=2)
    assert box.objects == set()
    sealed, facts = box.layout.sealed(box.id), box.layout.seal(box.id)
    if how == "lost":
        box.lose_seal()
    elif how == "torn":
        sealed.write_bytes(sealed.read_bytes()[:-1])
    elif how == "another's":
        other = box.layout.root / "other"
        other.write_bytes(b"another clip")
        seal.make(not_none(box.parcel(HOME).seal), other, hashlib.sha256(b"another clip").hexdigest(), lambda: None)
    else:
        facts.unlink() if how == "without facts" else facts.write_text("{")
    assert box.brings(HOME).sent
    assert HOME.opens(box.sealed) == MEDIA


def test_a_torn_upload_of_a_lost_sealing_is_replaced(box: Box) -> None:
    box.fails(HOME, after=3)
    box.lose_seal()
    delivered = box.brings(HOME)
    assert (delivered.sent, delivered.torn, delivered.conflicts) == (True, True, 0)
    assert box.manifest.sealed is not None
    assert box.manifest.sealed.md5 == digest(io.BytesIO(box.sealed)).md5


def test_what_another_sealing_of_the_same_media_finished_is_ours(box: Box) -> None:
    box.brings(HOME)
    first = dict(box.store.objects)
    box.lose_seal()
    delivered = box.brings(HOME)
    assert (delivered.sent, delivered.key, delivered.conflicts) == (False, f"{box.stem}.mp4.age", 0)
    assert box.store.objects == first
    assert not list(box.layout.seals.iterdir()), "sealed once more for nothing"


def test_a_manifest_of_a_sealing_that_was_half_replaced_is_put_anew(box: Box) -> None:
    box.brings(HOME)
    box.lose_seal()
    del box.store.objects[f"{box.stem}.mp4.age"]
    box.fails(HOME, after=4)  # the media is there again, and the manifest speaks of the first
    delivered = box.brings(HOME)
    assert (delivered.sent, delivered.conflicts) == (False, 0)
    assert box.manifest.sealed is not None
    assert box.manifest.sealed.md5 == digest(io.BytesIO(box.sealed)).md5


def test_anothers_finished_media_is_left_alone_whether_sealed_or_not(box: Box) -> None:
    other = {f"{box.stem}.mp4": b"another's", f"{box.stem}.json": b'{"sha256": "another\'s"}'}
    box.store.objects.update(other)
    delivered = box.brings(HOME)
    assert (delivered.key, delivered.conflicts) == (f"{box.stem}-2.mp4.age", 1)
    assert {key: box.store.objects[key] for key in other} == other
    assert Sidecar.model_validate_json(box.store.objects[f"{box.stem}-2.json"]).sealed


def test_a_key_that_may_only_put_brings_it_too(box: Box) -> None:
    box.store.put_only = BadCredentials("not allowed")
    for _ in range(2):
        assert box.brings(HOME).key == f"{box.stem}.mp4.age"
        assert HOME.opens(box.sealed) == MEDIA


def test_an_events_picture_is_sealed_too_and_has_no_manifest(box: Box) -> None:
    facts = box.clip.model_copy(update={"codec": "jpeg"})
    box.layout.media(box.id.picture).write_bytes(MEDIA)
    parcel = box.spool.parcel(facts, node="garden", prefix="", recipients=[HOME.recipient])
    for _ in range(2):
        assert deliver(box.store, parcel, lambda _: None).key == f"{box.stem}.jpg.age"
    assert box.objects == {".jpg.age"}
    assert box.store.puts == [f"{box.stem}.jpg.age"]
    assert HOME.opens(box.store.objects[f"{box.stem}.jpg.age"]) == MEDIA


# Settings that change while something waits


def test_it_is_sealed_for_those_who_are_named_when_it_is_sent(box: Box) -> None:
    box.fails(HOME, after=3)
    box.brings(OFFICE)
    assert OFFICE.opens(box.sealed) == MEDIA
    with pytest.raises(pyrage.DecryptError):
        HOME.opens(box.sealed)


def test_what_is_stored_for_others_stays(box: Box) -> None:
    box.brings(HOME)
    delivered = box.brings(OFFICE)
    assert (delivered.sent, HOME.opens(box.sealed)) == (False, MEDIA)


def test_what_is_stored_plain_stays_plain_when_encryption_is_switched_on(box: Box) -> None:
    box.brings()
    delivered = box.brings(HOME)
    assert (delivered.sent, delivered.key, delivered.size) == (False, f"{box.stem}.mp4", 1000)
    assert box.objects == {".mp4", ".json"}


def test_a_manifest_whose_plain_media_is_torn_is_no_proof(box: Box) -> None:
    box.brings()
    box.store.objects[f"{box.stem}.mp4"] = MEDIA[:-1]
    assert box.brings(HOME).key == f"{box.stem}.mp4.age"
    assert box.manifest.sealed


def test_switched_off_it_goes_plain(box: Box) -> None:
    box.fails(HOME, after=2)
    assert box.brings().key == f"{box.stem}.mp4"
    assert (box.objects, box.manifest) == ({".mp4", ".json"}, box.clip)


# On our own disk


def test_the_sealed_file_goes_with_the_marker(box: Box) -> None:
    box.brings(HOME)
    assert len(list(box.layout.seals.iterdir())) == 2
    box.spool.release(box.id)
    assert not list(box.layout.seals.iterdir())
    assert box.layout.media(box.id).read_bytes() == MEDIA


def test_a_disk_that_is_full_is_a_reason_to_wait(box: Box) -> None:
    """As `ulimit -f` has it: no file may grow beyond so many bytes."""
    child = (
        "import resource, signal, sys\n"
        "from edgecam.offload.deliver import Parcel, deliver\n"
        "from edgecam.offload.stores.memory import Memory\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600))\n"
        "deliver(Memory(), Parcel.model_validate_json(sys.stdin.read()), lambda _: None)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", child], input=box.parcel(HOME).model_dump_json(), capture_output=True, text=True
    )
    assert f"Transient: {box.id}.mp4 cannot be sealed in {box.layout.seals}: File too large" in done.stderr
    assert not list(box.layout.seals.iterdir()), "half a file takes room"
    assert box.brings(HOME).sent


def test_media_that_changes_while_it_is_sealed_does_not_leave(box: Box) -> None:
    with pytest.raises(Corrupt, match="not the bytes that were recorded"):
        seal.make(not_none(box.parcel(HOME).seal), box.layout.media(box.id), "0" * 64, lambda: None)
    assert not list(box.layout.seals.iterdir())


def not_none(it: Seal | None) -> Seal:
    assert it is not None
    return it


def test_a_long_recording_is_made_durable_on_the_way(box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a gigabyte that a slow card has to write in one go at the end would look like a worker that hangs."""
    flushed, flush = list[int](), durable.flush

    def watched(file: BinaryIO) -> None:
        flushed.append(file.tell())
        flush(file)

    monkeypatch.setattr("edgecam.durable.flush", watched)
    long, told = tmp_path / "long", hashlib.sha256(bytes(100 << 20)).hexdigest()
    long.write_bytes(bytes(100 << 20))
    made = seal.make(not_none(box.parcel(HOME).seal), long, told, lambda: None)
    assert [at >> 20 for at in flushed] == [32, 64, 96, 100, 0]
    assert made.size > 100 << 20


def test_media_that_cannot_be_read_any_more_is_a_reason_to_wait(box: Box, tmp_path: Path) -> None:
    with pytest.raises(Transient, match=r"cannot be sealed .* Is a directory"):
        seal.make(not_none(box.parcel(HOME).seal), tmp_path, box.clip.sha256, lambda: None)


# The library


class Endless:
    """So many bytes, and the most that somebody wanted at once."""

    def __init__(self, size: int) -> None:
        self.left, self.most = size, 0

    def read(self, size: int) -> bytes:
        self.most = max(self.most, size)
        data = bytes(min(size, self.left))
        self.left -= len(data)
        return data


class Sink:
    """Counts, and keeps nothing."""

    def __init__(self) -> None:
        self.size = self.most = 0

    def write(self, data: bytes) -> None:
        self.size += len(data)
        self.most = max(self.most, len(data))


def test_a_long_recording_passes_in_small_pieces_and_shows_its_progress() -> None:
    source, out, pulses = Endless(50_000_000), Sink(), itertools.count()
    age.encrypt(source, out, [HOME.recipient], lambda: next(pulses))
    assert out.size > 50_000_000
    assert max(source.most, out.most) < 1 << 20
    assert next(pulses) > 100


def test_an_ssh_key_is_a_recipient_too(tmp_path: Path) -> None:
    pair, ssh, sealed, plain = Ed25519PrivateKey.generate(), tmp_path / "id_ed25519", io.BytesIO(), io.BytesIO()
    ssh.write_bytes(pair.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    public = pair.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    age.encrypt(io.BytesIO(MEDIA), sealed, [recipient(f"{public} anna@desk")], lambda: None)
    age.decrypt(io.BytesIO(sealed.getvalue()), plain, age.identities(ssh))
    assert plain.getvalue() == MEDIA


def test_without_the_library_it_is_told_what_to_install(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyrage", None)
    with pytest.raises(BadSettings, match=r"'pyrage' is missing, offload\.encrypt needs it") as caught:
        box.brings(HOME)
    assert caught.value.hint == "pip install 'edgecam[encrypt]'"


def test_a_recipient_that_the_library_refuses_is_for_a_person(box: Box) -> None:
    parcel = box.spool.parcel(box.clip, node="garden", prefix="", recipients=["age1" + "q" * 58])
    with pytest.raises(BadSettings, match=r"nothing can be sealed for age1qqqqqqqqqqqqqqqq\.\.\.") as caught:
        deliver(box.store, parcel, lambda _: None)
    assert caught.value.hint == "check offload.encrypt"


class Failing:
    def read(self, size: int) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    def write(self, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_an_error_of_the_disk_is_told_as_it_is(tmp_path: Path) -> None:
    sealed = io.BytesIO()
    age.encrypt(io.BytesIO(MEDIA), sealed, [HOME.recipient], lambda: None)
    key = tmp_path / "key"
    key.write_text(HOME.identity)
    failing: list[tuple[int, Callable[[], None]]] = [
        (errno.EIO, lambda: age.encrypt(Failing(), io.BytesIO(), [HOME.recipient], lambda: None)),
        (errno.ENOSPC, lambda: age.encrypt(io.BytesIO(MEDIA), Failing(), [HOME.recipient], lambda: None)),
        (errno.EIO, lambda: age.decrypt(Failing(), io.BytesIO(), age.identities(key))),
        (errno.ENOSPC, lambda: age.decrypt(io.BytesIO(sealed.getvalue()), Failing(), age.identities(key))),
    ]
    for number, fails in failing:
        with pytest.raises(OSError) as caught:
            fails()
        assert caught.value.errno == number


def test_what_was_tampered_with_or_cut_does_not_open(tmp_path: Path) -> None:
    sealed, key = io.BytesIO(), tmp_path / "key"
    key.write_text(HOME.identity)
    age.encrypt(io.BytesIO(content(200_000)), sealed, [HOME.recipient], lambda: None)
    whole = sealed.getvalue()
    header = whole.index(b"\n---") + 49
    for wrong in (b"", b"junk", whole[:-1], whole[: header + 16 + 65_552], whole[:-1] + bytes([whole[-1] ^ 1])):
        with pytest.raises(age.Broken):
            age.decrypt(io.BytesIO(wrong), io.BytesIO(), age.identities(key))


# Identity files


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "# created: 2026-11-21T07:15:30Z\n# public key: age1...\n{}\n",
        "\r\n{}\r\n\r\n",
        "# two\n" + OFFICE.identity + "\n{}\n",
    ],
    ids=["bare", "with comments", "of Windows", "two"],
)
def test_identity_files_of_age_are_read(tmp_path: Path, text: str) -> None:
    sealed, plain, key = io.BytesIO(), io.BytesIO(), tmp_path / "key"
    key.write_bytes(text.format(HOME.identity).encode())
    age.encrypt(io.BytesIO(MEDIA), sealed, [HOME.recipient], lambda: None)
    age.decrypt(io.BytesIO(sealed.getvalue()), plain, age.identities(key))
    assert plain.getvalue() == MEDIA


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "holds no identity"),
        (b"# nothing else\n", "holds no identity"),
        (HOME.recipient.encode(), "is no identity file"),
        (b"\xff\xfe", "is no identity file"),
        (b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n", "is no identity file"),
        (b"age-encryption.org/v1\n-> scrypt x 18\n", "is sealed with a passphrase itself"),
        (b"-----BEGIN AGE ENCRYPTED FILE-----\n", "is sealed with a passphrase itself"),
    ],
    ids=["empty", "comments only", "recipient", "no text", "SSH without its end", "sealed", "sealed in armour"],
)
def test_what_is_no_identity_file_is_told_with_its_name_and_no_content(tmp_path: Path, data: bytes, words: str) -> None:
    key = tmp_path / "key"
    key.write_bytes(data)
    with pytest.raises(age.Unreadable, match=rf"{key} {words}") as caught:
        age.identities(key)
    assert HOME.recipient not in str(caught.value)
    with pytest.raises(age.Unreadable, match="No such file"):
        age.identities(tmp_path / "nothing")


LOCKED = """-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHIAAAAGYmNyeXB0AAAAGAAAABDtXPZMdc
I1LUyojVYRJnSmAAAAEAAAAAEAAAAzAAAAC3NzaC1lZDI1NTE5AAAAICvcORjy+lab1iyi
WTthbe543LOfc4sWZp+7932PYckzAAAAkLf2wx0TBC0X5CetJon4LoR1fGqs+dAnxQBkN4
L/a8dbarfClWdz1w2zxrMO47e2LHMOOH1bOwdqAQELnsyfFgUVQR9f5VwfJT4qWh/Eqo67
wjhnwFL0WW7CeSanZipZX0cOHt71uG9OotZi5BiPkdZZUOEfe68grjNElks0Cw1JZgXTij
27orEC9ZFvO6BB9w==
-----END OPENSSH PRIVATE KEY-----
"""
"""Made for this test by `ssh-keygen -t ed25519 -N secret`."""


def test_an_ssh_key_with_a_passphrase_is_told_as_such(tmp_path: Path) -> None:
    ssh = tmp_path / "id_ed25519"
    ssh.write_text(LOCKED)
    with pytest.raises(age.Unreadable, match=r"is an SSH key with a passphrase: .*ssh-keygen -p"):
        age.identities(ssh)
