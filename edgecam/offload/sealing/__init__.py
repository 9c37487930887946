"""Sealing: media leaves readable only for those whose recipients the configuration names."""
