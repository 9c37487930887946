"""The wire: one connection after another, and the table of what the broker is to hold."""
