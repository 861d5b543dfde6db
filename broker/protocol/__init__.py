"""The protocol engine: connections, sessions and the handlers of packets (MQTT 3.1.1)."""
