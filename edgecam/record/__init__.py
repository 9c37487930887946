"""Recording: motion in, clips on disk out.

The way of a clip: `plan` decides which frames belong to it, `writer` writes them as crash-safe MP4 (`mp4`), `finisher`
has JPEG video coded as H.264 (`transcoder`; `transcode` and `encoder` in its child), `library` makes it durable under
its final name, `keeper` keeps the disk within its limits, and `recovery` finishes at start what a crash left.
"""
