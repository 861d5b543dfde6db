"""Authentication and authorization of clients, and the throttle of failed attempts."""
