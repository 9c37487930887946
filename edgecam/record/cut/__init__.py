"""Cut: any interval of what was recorded as one MP4, laid out from what lies on disk, without coding or writing."""
