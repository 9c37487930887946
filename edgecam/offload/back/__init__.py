"""The way back: what is in a store, and how it is fetched."""
