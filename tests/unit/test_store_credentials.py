"""Where the keys of a store come from when the configuration names none, and what becomes of those that end."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from azure.identity import CredentialUnavailableError

from answering import MD5, MISSING, Answers, Told, answering, head, s3, told, xml
from edgecam.config.secret import Secret, Url
from edgecam.config.store import AzureStore, S3Store
from edgecam.offload.pipe import Answer, Deliver, Job, plain
from edgecam.offload.stores import BadCredentials, open_store
from edgecam.offload.stores.s3 import S3
from edgecam.offload.worker import Clerk
from fakes import FakeClock
from waiting import parcel


@pytest.fixture
def server() -> Iterator[Answers]:
    with answering() as server:
        yield server


def test_a_link_lives_no_longer_than_the_credentials_that_sign_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    clock = FakeClock(wall=int(time.time()))  # botocore looks at the real one
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    temporary = s3("http://127.0.0.1:1", session_token=Secret("for-some-hours"))
    link = S3(temporary, clock).link("clip.mp4", 1e9)
    assert link is not None
    assert link[1] == clock.wall() + 36 * 3600  # AWS gives none for longer

    def give(seconds: float) -> None:
        ends = datetime.fromtimestamp(clock.wall() + seconds, UTC).isoformat()
        given = {"Version": 1, "AccessKeyId": "AKIA", "SecretAccessKey": "s", "SessionToken": "t", "Expiration": ends}
        (tmp_path / "credentials.json").write_text(json.dumps(given))

    give(3 * 3600)
    (tmp_path / "config").write_text(
        f"[default]\nregion = eu-north-1\ncredential_process = cat {tmp_path / 'credentials.json'}\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    for asked, lives in ((24 * 3600, 3 * 3600), (3600, 3600)):
        link = S3(S3Store(bucket="birdbox"), clock).link("clip.mp4", asked)
        assert link is not None
        assert link[1] == clock.wall() + lives
        assert f"X-Amz-Expires={lives}" in link[0]
    give(-60)
    with pytest.raises(BadCredentials, match="the credentials have expired"):
        S3(S3Store(bucket="birdbox"), clock).link("clip.mp4", 60)
    with pytest.raises(BadCredentials, match="the credentials have expired"):
        S3(S3Store(bucket="birdbox"), clock).stat("clip.mp4")


def test_a_machine_without_an_identity_is_asked_for_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    class Nobody:
        def get_token(self, *_: object, **__: object) -> None:
            raise CredentialUnavailableError("no managed identity here")

        def close(self) -> None: ...

    monkeypatch.setattr("azure.identity.DefaultAzureCredential", Nobody)
    with pytest.raises(BadCredentials, match="there are no credentials for the store"):
        open_store(AzureStore(container="birdbox", account="birds")).stat("clip.mp4")


def test_credentials_that_ended_are_fetched_anew_from_the_chain(
    server: Answers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A pod's web identity: a token in a file, for which the security token service gives keys."""

    def keys(id: str) -> Told:
        fields = {"AccessKeyId": id, "SecretAccessKey": "s", "SessionToken": "t", "Expiration": "2099-01-01T00:00:00Z"}
        role = told("Credentials", **fields).partition(b"?>")[2].decode()
        return (
            200,
            {"Content-Type": "text/xml"},
            told("AssumeRoleWithWebIdentityResponse", AssumeRoleWithWebIdentityResult=role),
        )

    (tmp_path / "token").write_text("who I am")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/camera")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", server.url)
    config = S3Store(bucket="birdbox", endpoint=Url(server.url), region="eu-north-1")
    clip = parcel("cams/clip", tmp_path / "clip.mp4", b"a clip")
    job = Job(store=plain(config), task=Deliver(parcel=clip))
    stored = (200, {"ETag": f'"{MD5}"'}, b"")
    server.answers += [keys("AKIAFIRST"), MISSING, (400, {}, xml("ExpiredToken"))]
    server.answers += [keys("AKIASECOND"), MISSING, stored, (200, {"ETag": '"x"'}, b""), head(len(clip.manifest))]
    said = list[Answer]()
    Clerk(said.append, FakeClock()).serve([job.model_dump_json().encode()] * 2)
    failures = [answer.failed for answer in said if answer.failed]
    assert failures[0].verdict == "credentials"
    signed = [headers["Authorization"] for method, _, headers in server.asked if method == "PUT"]
    assert "AKIAFIRST" in signed[0]
    assert "AKIASECOND" in signed[1]
