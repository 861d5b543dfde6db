"""The entries of the audit log and their hash chain; types only."""
