"""The chat protocols, one module or folder each."""
