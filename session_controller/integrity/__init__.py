"""Verification of the audit log, of data folders, of backups, and of what they need besides."""
