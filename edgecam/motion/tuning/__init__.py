"""Tuning: what motion settings are worth on labelled videos, and whether better ones are near."""
