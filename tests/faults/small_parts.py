"""The worker, for which a megabyte is a large file: so a test need not send more to see parts and blocks."""

from edgecam.config.store import S3Store, StoreConfig
from edgecam.offload import worker
from edgecam.offload.stores import Store, open_store
from edgecam.offload.stores.s3 import S3

PART = 1 << 20


def small(config: StoreConfig) -> Store:
    return S3(config, whole=PART, part=PART) if isinstance(config, S3Store) else open_store(config)


if __name__ == "__main__":
    worker.main(small)
