"""A session's record, in every export format."""
