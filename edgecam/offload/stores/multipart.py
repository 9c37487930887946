"""S3's uploads in parts: for files that are too large to be sent anew whenever a line breaks.

One part at a time, each with its MD5, each noted once it is there; only the completion makes the object visible.
"""

import base64
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from edgecam.offload.stores import BadSettings, Permanent, StoreError, Transient, Upload
from edgecam.offload.stores.body import Body, Piece, Unlike, pieces
from edgecam.offload.stores.journal import Begun, Forgotten, Journal, beginning, composite
from edgecam.offload.stores.verdict import imposter

MOST = 10_000
"""Parts of one upload, by the rules of S3."""


class Unsure(Transient):
    """Every part is there. Whether the object is as well was not said: who may ask should look for `etag`."""

    etag = ""


class Call(Protocol):
    """One request to the bucket. Raises StoreError; Forgotten where the store does not know the upload."""

    def __call__(self, operation: str, **arguments: object) -> dict[str, Any]: ...


class Multipart:
    """Uploads of one bucket, in parts of `part` bytes or, where that makes too many, larger ones."""

    def __init__(self, call: Call, where: str, part: int) -> None:
        """`where` names the bucket in the journal."""
        self._call, self._where, self._part = call, where, part

    def part(self, size: int) -> int:
        """Bytes of each part of an upload of `size` bytes."""
        return max(self._part, -(-size // MOST))

    def put(self, upload: Upload, progress: Callable[[int], None]) -> tuple[dict[str, Any], str]:
        """Go on with what the journal tells, or begin. Returns the store's answer and the ETag that it should have.

        Raises StoreError, Unsure among them.
        """
        journal, new = Journal(upload.journal), beginning(self._where, upload, self.part(upload.size))
        begun = journal.read()
        if begun and not begun.fits(new):
            with suppress(Transient):
                self.abandon(upload.journal)
        elif begun:
            with suppress(Forgotten):
                return self._go_on(begun, upload, progress)
        journal.forget()
        answer = self._call(
            "create_multipart_upload",
            Key=upload.key,
            ContentType=upload.content_type,
            Metadata=dict(upload.metadata),
        )
        if not answer.get("UploadId"):
            raise imposter("no upload id")
        begun = new.model_copy(update={"upload": str(answer["UploadId"])})
        journal.note(begun)
        return self._go_on(begun, upload, progress)

    def abandon(self, path: Path | None) -> None:
        """Have the store forget the upload that is noted at `path`, and forget it here.

        Where that is refused, a rule of the bucket must remove the parts. Raises Transient, and forgets nothing.
        """
        journal = Journal(path)
        begun = journal.read()
        if begun and begun.store == self._where:
            self._abort(begun)
        journal.forget()

    def _abort(self, begun: Begun) -> None:
        with suppress(Permanent, Forgotten):
            self._call("abort_multipart_upload", Key=begun.key, UploadId=begun.upload)

    def _go_on(self, begun: Begun, upload: Upload, progress: Callable[[int], None]) -> tuple[dict[str, Any], str]:
        journal, md5s = Journal(upload.journal), list[str]()
        try:
            for number, piece in enumerate(pieces(upload, begun.part, progress), 1):
                md5s.append(piece.md5)
                if number > len(begun.parts):
                    etag = self._send(begun, number, upload, piece, progress)
                    begun = begun.model_copy(update={"parts": [*begun.parts, etag]})
                    journal.note(begun)
            progress(upload.size)  # also where every part was there already: what is left may take its time
            return self._complete(begun, composite(md5s))
        except Unsure:
            raise
        except StoreError as error:
            if isinstance(error, Unlike | BadSettings) or journal.read() is None:  # nobody can go on with it
                with suppress(Transient):
                    self._abort(begun)
                journal.forget()
            raise

    def _send(self, begun: Begun, number: int, upload: Upload, piece: Piece, progress: Callable[[int], None]) -> str:
        with Body(upload, progress, piece) as body:
            answer = self._call(
                "upload_part",
                Key=upload.key,
                UploadId=begun.upload,
                PartNumber=number,
                Body=body,
                ContentLength=piece.size,
                ContentMD5=base64.b64encode(bytes.fromhex(piece.md5)).decode(),
            )
        if not answer.get("ETag"):
            raise imposter("no ETag")
        return str(answer["ETag"])

    def _complete(self, begun: Begun, etag: str) -> tuple[dict[str, Any], str]:
        parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(begun.parts, 1)]
        try:
            answer = self._call(
                "complete_multipart_upload", Key=begun.key, UploadId=begun.upload, MultipartUpload={"Parts": parts}
            )
        except Forgotten:
            raise
        except Transient as error:
            unsure = Unsure(str(error), error.hint, retry_after=error.retry_after)
            unsure.etag = etag
            raise unsure from None
        return answer, etag
