"""`edgecam scan`: which videos are due, what moves in them, and a clip of each event."""
