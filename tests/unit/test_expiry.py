"""The end of the store's credentials: told a week ahead, in health and once a day in the log, and never in vain."""

import asyncio
import logging
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edgecam.config.secret import FromFile, Secret, Url
from edgecam.config.store import AzureStore, FolderStore, S3Store, StoreConfig
from edgecam.offload.expiry import DAY, Lasting, lasts
from edgecam.offload.reminder import Reminder
from fakes import FakeClock

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp()
ENDS = "2026-11-24T12:00:00Z"
TOKEN = f"sv=2022-11-02&st=2026-11-01&se={ENDS.replace(':', '%3A')}&sr=c&sp=cw&sig=c2VjcmV0%3D"


def sas(token: str | Secret) -> AzureStore:
    return AzureStore(
        container="birdbox", account="birds", sas_token=token if isinstance(token, Secret) else Secret(token)
    )


def connected(text: str) -> AzureStore:
    return AzureStore(container="birdbox", connection_string=Secret(text))


@pytest.mark.parametrize(
    ("store", "ends"),
    [
        (sas(TOKEN), ENDS),
        (sas("?" + TOKEN), ENDS),
        (sas(TOKEN + "\n"), ENDS),
        (connected(f"BlobEndpoint=https://birds.blob.core.windows.net;SharedAccessSignature={TOKEN}"), ENDS),
        (connected(f"blobendpoint=https://x;sharedaccesssignature={TOKEN};"), ENDS),
        (sas("se=2026-11-24&sig=x"), "2026-11-24T00:00:00Z"),
        (sas("se=2026-11-24T12:00Z&sig=x"), ENDS),
        (sas("se=2026-11-24T12:00:00.0000000Z&sig=x"), ENDS),
        # nobody can say
        (sas("si=a-policy-of-the-container&sig=x"), None),
        (sas("se=soon&sig=x"), None),
        (sas("rubbish"), None),
        (connected("AccountName=birds;AccountKey=c2VjcmV0;EndpointSuffix=core.windows.net"), None),
        (connected(f"AccountName=birds;AccountKey=c2VjcmV0;SharedAccessSignature={TOKEN}"), None),
        (AzureStore(container="birdbox", account="birds", account_key=Secret("c2VjcmV0")), None),
        (AzureStore(container="birdbox", account="birds"), None),
        (S3Store(bucket="birdbox", endpoint=Url("http://nas:9000"), session_token=Secret("x")), None),
        (FolderStore(path=Path("/mnt/nas")), None),
    ],
)
def test_a_token_tells_its_end_by_itself(store: StoreConfig, ends: str | None) -> None:
    assert lasts(store).ends == (ends and datetime.fromisoformat(ends).timestamp())


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (8 * DAY, None),
        (7 * DAY, "the SAS token ends in 7 days (2026-11-28 12:00 UTC)"),
        (3 * DAY, "the SAS token ends in 3 days (2026-11-24 12:00 UTC)"),
        (1.5 * DAY, "the SAS token ends in 36 hours (2026-11-23 00:00 UTC)"),
        (60, "the SAS token ends within two hours (2026-11-21 12:01 UTC)"),
        (0, "the SAS token ended on 2026-11-21 12:00 UTC"),
        (-DAY, "the SAS token ended on 2026-11-20 12:00 UTC"),
    ],
)
def test_a_person_knows_a_week_ahead(left: float, words: str | None) -> None:
    assert Lasting(ends=NOW + left).warning(NOW) == words


@pytest.mark.parametrize(
    ("lasting", "why"),
    [
        (Lasting(), None),
        (Lasting(NOW - DAY, NOW + DAY), None),
        (Lasting(NOW - DAY, NOW - 60), "the SAS token ended on 2026-11-21 11:59 UTC"),
        (Lasting(NOW + DAY, NOW + 9 * DAY), "the SAS token begins on 2026-11-22 12:00 UTC only"),
    ],
)
def test_a_refusal_is_explained_by_the_tokens_times_where_they_are_to_blame(lasting: Lasting, why: str | None) -> None:
    assert lasting.refused(NOW) == why
    assert Lasting().warning(NOW) is None


async def test_the_log_says_it_once_a_day_until_the_token_is_renewed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file, clock = tmp_path / "token", FakeClock(wall=NOW)
    file.write_text(TOKEN)
    reminder = Reminder(sas(Secret(FromFile(TOKEN, file))), clock)
    task = asyncio.create_task(reminder.run())
    await clock.advance(2.5 * DAY)
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert [line.partition(" (")[0] for line in lines] == [
        "offload: the SAS token ends in 3 days",
        "offload: the SAS token ends in 2 days",
        "offload: the SAS token ends in 24 hours",
    ]
    assert "offload.store.sas_token" in lines[0]
    assert "c2VjcmV0" not in caplog.text
    caplog.clear()
    file.write_text(TOKEN.replace("2026-11-24", "2027-11-24"))
    os.utime(file, ns=(1, 1))  # a clock too coarse to tell the two writes apart
    await clock.advance(DAY)
    assert (caplog.text, reminder.warning()) == ("", None)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
