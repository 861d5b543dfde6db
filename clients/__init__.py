"""Clients of the wire contract: the SDK, the simulator, the pages."""
