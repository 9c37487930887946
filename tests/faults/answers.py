"""Scenarios in which the server answers, but not what it should. The numbers are those of the rows."""

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from azure.storage.blob import ContainerSasPermissions, generate_container_sas

from edgecam.config.secret import FromFile, Secret
from edgecam.digest import digest
from edgecam.offload.deliver import Damaged
from edgecam.offload.stores import Upload
from faultproxy import Answer, Fault, Strike, refusal, without
from faults.crossing import Crossing, data
from faults.site import Bucket, Container
from peers import S3, Azurite

SLOW_DOWN = refusal(503, "SlowDown")


async def healthy(crossing: Crossing) -> str:
    """19. Nothing is wrong."""
    crossing.start()
    await crossing.drained()
    assert crossing.patience.pauses == []
    return "in one attempt each"


async def answer_lost(crossing: Crossing, *, instead: Answer | None = None) -> str:
    """5, 6, 8. What was stored is not known to be, or something else is said of it. It is looked at, not sent again."""
    fault = Fault(lost=instead is None, instead=instead)
    media, manifests = Strike(fault, part=".mp4", every=2), Strike(fault, part=".json", every=3)
    crossing.proxy.suffer(media, manifests)
    crossing.start()
    await crossing.drained()
    assert media.struck
    assert crossing.sent_twice() == 0
    return f"{media.struck} media and {manifests.struck} manifests; no body was sent twice"


async def others_objects(crossing: Crossing) -> str:
    """7. At our keys lie other bytes: some without a manifest, some with the manifest of somebody else."""
    torn, foreign = crossing.clips[::2], crossing.clips[1::2]
    other = b"what somebody else has put there"
    for clip in torn:
        _put(crossing, crossing.key(clip), other)
        crossing.before[clip.id] = other
    for clip in foreign:
        manifest = json.dumps({"sha256": "0" * 64}).encode()
        crossing.others |= {crossing.key(clip): other, crossing.key(clip, ".json"): manifest}
        crossing.numbers[clip.id] = 2
    for key, body in crossing.others.items():
        _put(crossing, key, body)
    crossing.start()
    await crossing.drained()
    assert crossing.status.conflicts == len(foreign)
    return f"{len(torn)} overwritten; {len(foreign)} stored as <id>-2, counted as conflicts, the others untouched"


def _put(crossing: Crossing, key: str, body: bytes) -> None:
    size, md5, sha256 = digest(io.BytesIO(body))
    crossing.site.store.put(Upload(body, key, size, md5, sha256, "video/mp4", {}), lambda _: None)


async def busy(crossing: Crossing) -> str:
    """9. Every fifth request is refused."""
    refusals = Strike(Fault(answer=SLOW_DOWN), method="any", every=5)
    crossing.proxy.suffer(refusals)
    crossing.start()
    await crossing.drained()
    return f"{refusals.struck} refusals"


async def always_busy(crossing: Crossing) -> str:
    """9. Every request is refused for a while."""
    crossing.proxy.suffer(Strike(Fault(answer=SLOW_DOWN), method="any"))
    crossing.start()
    await crossing.failures(6)
    asked, failures = len(crossing.proxy.seen), len(crossing.courier.failures)
    assert asked <= failures + 1, "more than one request for an attempt"
    crossing.proxy.mend()
    await crossing.drained()
    return f"{asked} requests for {failures} attempts"


async def told_when(crossing: Crossing) -> str:
    """9. The server says for how long it wants to be left alone."""
    asked = 20 if crossing.trial.full else 60
    answer = refusal(503, "SlowDown", ("Retry-After", str(asked)))
    crossing.proxy.suffer(Strike(Fault(answer=answer), method="any", times=2))
    crossing.start()
    await crossing.drained()
    assert len(crossing.patience.pauses) == 2
    assert min(crossing.patience.pauses) >= asked * crossing.pace
    return f"{asked} s asked for, twice; pauses of {', '.join(f'{pause:g} s' for pause in crossing.patience.pauses)}"


async def rot(crossing: Crossing) -> str:
    """14. A bit of a finished file is another one before it is sent."""
    rotten = crossing.clips.pop()
    media = crossing.layout.media(rotten.media)
    spoilt = bytearray(data(rotten))
    spoilt[crossing.chance.randrange(rotten.size)] ^= 1
    media.write_bytes(spoilt)
    crossing.start()
    await crossing.drained()
    assert (crossing.layout.bad / media.name).read_bytes() == spoilt
    assert crossing.status.bad == 1
    assert not any(rotten.id in request.path for request in crossing.proxy.seen)
    assert [type(error) for error in crossing.courier.failures] == [Damaged]
    return "it lies in spool/bad, and no request spoke of it"


# What a person must mend


async def wrong_secret(crossing: Crossing) -> str:
    """15. The key is wrong; then the file that holds it is corrected."""
    peer = crossing.site.peer
    if isinstance(peer, S3):
        return await _mended_file(crossing, "secret_key", "not-the-secret-key", lambda: peer.secret_key)
    assert isinstance(peer, Azurite)
    return await _mended_file(crossing, "account_key", "bm90IHRoZSBrZXk=", lambda: peer.account_key)


async def expired_token(crossing: Crossing) -> str:
    """16. The SAS token has ended; then the file that holds it gets another one."""
    crossing.config = crossing.config.changed(account_key=None)
    return await _mended_file(crossing, "sas_token", _token(crossing, hours=-1), lambda: _token(crossing, hours=1))


def _token(crossing: Crossing, *, hours: float) -> str:
    """A SAS token for our container that ends in so many hours, or has."""
    assert isinstance(crossing.site, Container)
    return generate_container_sas(
        Azurite.account,
        crossing.site.name,
        account_key=Azurite.account_key,
        permission=ContainerSasPermissions(read=True, write=True, create=True),
        start=datetime.now(UTC) - timedelta(days=1),
        expiry=datetime.now(UTC) + timedelta(hours=hours),
    )


async def _mended_file(crossing: Crossing, key: str, wrong: str, right: Callable[[], str]) -> str:
    file = crossing.trial.folder / "secret"
    file.write_text(wrong + "\n")
    crossing.config = crossing.config.changed(**{key: Secret(FromFile(wrong, file))})
    crossing.start()
    reason = await crossing.blocked("403")
    asked = len(crossing.proxy.seen)
    file.write_text(right() + "\n")
    await crossing.drained()
    return f"“{reason}”; {asked} requests until then; no restart"


async def no_bucket(crossing: Crossing) -> str:
    """17. The bucket is missing, and our key may not make it; then somebody does."""
    if isinstance(crossing.site, Container):
        token = Secret(_token(crossing, hours=1))
        crossing.config = crossing.config.changed(account_key=None, sas_token=token)
    crossing.start()
    reason = await crossing.blocked("does not exist")
    crossing.site.make()
    await crossing.drained()
    return f"“{reason}”"


# What servers leave out


async def metadata_dropped(crossing: Crossing) -> str:
    """20. The server keeps no metadata, or does not tell of it."""
    crossing.proxy.suffer(Strike(Fault(headers=without("x-amz-meta-", "x-ms-meta-")), method="any"))
    crossing.start()
    await crossing.drained()
    there = crossing.site.store.stat(crossing.key(crossing.clips[0]))
    assert there is not None
    if isinstance(crossing.site, Bucket):
        assert there.sha256 is None, "this server keeps metadata"
    return "verified by size and MD5"
