"""Disk: the library of finished media, what of it may stay, and what a crash or a disk that went away left."""
