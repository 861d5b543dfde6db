"""Counters, logs, observers and `$SYS` topics."""
