"""Trials: one real round trip with the configured credentials, for `edgecam test`. Each says which step failed."""
