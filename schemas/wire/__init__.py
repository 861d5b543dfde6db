"""Messages between devices and the controller."""
