"""Backups of a data folder, their keys, and how to restore them."""
