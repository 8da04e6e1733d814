"""The protocols that clients chat in, one module or folder each."""
