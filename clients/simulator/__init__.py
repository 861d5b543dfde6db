"""Simulated screens that run whole sessions."""
