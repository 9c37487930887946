"""Offload: what is recorded goes to a store, verified, and only then may be deleted here."""
