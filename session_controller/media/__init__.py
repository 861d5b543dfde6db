"""What a document really is, and whether it may be kept: `apart.inspect_apart` is the way in."""
