"""The broker as a program of its own, with a YAML rules file."""
