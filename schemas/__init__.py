"""The wire contract, as frozen types."""
