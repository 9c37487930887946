"""Recording: frames and motion in, clips on disk out.

The way of a clip: `plan` decides which frames belong to it, a `tape` carries that out (`event`, `continuous`; the
`recorder` owns them), `writer` writes crash-safe MP4 (`mp4`), `finisher` has JPEG video coded as H.264 (`coding/`) and
hands it to the library (`disk/`). `saver` keeps what was seen already and exports intervals (`cut/`); `lapse/` takes
stills.
"""
