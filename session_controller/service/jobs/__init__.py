"""What takes longer than a batch may."""
