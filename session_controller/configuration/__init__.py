"""The configuration of a box: its keys, and where their values come from."""
