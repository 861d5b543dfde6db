"""The session controller: the only writer of session state."""
