"""The SDK's MQTT connection."""
