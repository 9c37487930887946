"""Develop: a picture as a JPEG, for those who cannot show pixels. The camera's own JPEG passes untouched."""

import asyncio
from concurrent.futures import Executor
from dataclasses import replace

from edgecam.frame import Frame, Kind


async def developed(frame: Frame, quality: int, pool: Executor) -> Frame:
    """`frame` (one that people can be shown) as JPEG; pixels are coded in `pool`."""
    if frame.image is None:
        return frame
    data = await asyncio.wrap_future(pool.submit(frame.image.jpeg, quality))
    return replace(frame, kind=Kind.JPEG, data=data, image=None)
