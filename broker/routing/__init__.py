"""Subscriptions, retained messages, and routing of messages to their receivers."""
