"""MQTT 3.1.1 packets, topics and application messages as values: no sockets, no clock."""
