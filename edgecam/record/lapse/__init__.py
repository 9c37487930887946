"""Timelapse: stills on the clock's grid, and each day's film."""
