"""The engine: the only part of the plugin that imports llama.cpp."""
