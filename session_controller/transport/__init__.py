"""The exchange of messages between the service and a broker."""
