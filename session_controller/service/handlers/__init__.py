"""What each kind of message does."""
