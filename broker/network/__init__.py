"""Listeners for MQTT over TCP, TLS and WebSocket, beside the host program's web pages."""
