"""What an operator sees of a running box: log lines, health checks and metrics."""
