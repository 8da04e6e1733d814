"""The models that answer: which is asked, whether it can, and its stream."""
