"""Coding: pictures become H.264 in a child process, by the board's encoder where there is one, and are read back."""
