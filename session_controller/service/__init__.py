"""The application layer: one batch, from bytes to PUBACK."""
