"""Offload: what leaves the box, and the object stores that take it."""

from typing import Annotated, Literal

from pydantic import Field

from edgecam.config.fields import (
    SEVERAL_OR_NONE,
    UNQUOTED,
    AlsoTakes,
    Bandwidth,
    Duration,
    KeyPrefix,
    MediaKind,
    Place,
    Recipients,
    Section,
    Word,
)
from edgecam.config.secret import Secret, Url


class ObjectStore(Section):
    """What every store has."""

    prefix: KeyPrefix = Field("", description="Begins every object's key, such as cams/; the slash is yours to write.")


class S3Store(ObjectStore):
    """Amazon S3 and everything that speaks it: MinIO, R2, B2, Ceph, Garage."""

    type: Literal["s3"] = Field("s3", description="S3 and what speaks it.")
    bucket: Word = Field(description="Must exist.")
    endpoint: Url | None = Field(None, description="The store's address; AWS when absent.")
    region: Word | None = Field(None, description="The bucket's region, where the store has any.")
    access_key: Secret | None = Field(None, description="Absent: the SDK's own chain (environment, profile, role).")
    secret_key: Secret | None = Field(None, description="Belongs to access_key.")
    session_token: Secret | None = Field(None, description="For temporary credentials.")
    addressing: Literal["auto", "path", "virtual"] = Field("auto", description="Where the bucket's name goes.")
    checksums: Literal["auto", "sdk", "md5"] = Field(
        "auto", description="Beside Content-MD5; auto: the SDK's default, CRC32, on AWS, nothing elsewhere."
    )
    ca: Place | None = Field(None, description="Certificates to trust, PEM.")


class AzureStore(ObjectStore):
    """Azure Blob Storage. Without any key: DefaultAzureCredential."""

    type: Literal["azure"] = Field("azure", description="Azure Blob Storage.")
    container: Word = Field(description="Made when missing, if the key may.")
    connection_string: Secret | None = Field(None, description="As the portal shows it; or account and a key.")
    account: Word | None = Field(None, description="The storage account's name.")
    account_key: Secret | None = Field(None, description="The account's key.")
    sas_token: Secret | None = Field(
        None, description="A shared access signature instead of the key; its end is told a week ahead."
    )
    endpoint: Url | None = Field(None, description="The blob service's address, where it is not Azure's own.")


class FolderStore(ObjectStore):
    """A folder, such as a mounted NAS."""

    type: Literal["folder"] = Field("folder", description="A folder, such as a mounted NAS.")
    path: Place = Field(description="The folder; made when missing.")
    require_mount: bool = Field(False, description="Store nothing unless the path is on a mount of its own.")


StoreConfig = Annotated[S3Store | AzureStore | FolderStore, Field(discriminator="type")]
"""One of the stores, by its `type`."""


class Offload(Section):
    """What leaves the box. Absent: nothing does."""

    store: StoreConfig = Field(description="Where it goes.")
    kinds: tuple[MediaKind, ...] = Field(("event", "manual"), description="Which kinds of media go.")
    bandwidth: Bandwidth = Field(
        None, description='Limit such as 500kB/s, or {"22:00-06:00": 2MB/s, else: 100kB/s}; 0: nothing goes then.'
    )
    order: Literal["events-first", "oldest-first", "newest-first"] = Field(
        "events-first", description="What goes first when much waits."
    )
    link_expiry: Duration | None = Field(24 * 3600, description="Life of presigned links in events; null: no links.")
    encrypt: Annotated[
        Recipients | None,
        SEVERAL_OR_NONE,
        AlsoTakes({"type": "string", "description": UNQUOTED}),
    ] = Field(None, description="age recipients (age1... or SSH public keys); then there are no links.")
