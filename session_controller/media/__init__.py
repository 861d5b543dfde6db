"""Detection of a document's type, and its inspection: call `apart.inspect_apart`."""
