"""What the contract names and this release does not do yet: refused at check time, never silently ignored.

A row is `Section.key`: every value but its default is refused. Building the thing means deleting its row.
"""

NOT_BUILT = frozenset(
    {
        # sources
        # cameras
        "Camera.push",
        "Image.overlay",
        "Image.privacy_masks",
        "Stream.max_width",
        "Stream.rewind",
        "Stream.schedule",
        "Record.schedule",
        # the box
        "Config.push",
        "Http.tls",
        "Http.rate_limit",
        "Http.base_path",
        "Http.trusted_proxies",
    }
)


def not_built(section: str, key: str) -> bool:
    """Whether `key` of the model called `section` waits for its builder."""
    return f"{section}.{key}" in NOT_BUILT
