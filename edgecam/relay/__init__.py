"""Relay: a camera's coded stream, sent on to an RTSP server as it is."""
