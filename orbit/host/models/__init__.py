"""The models of a configuration: their names, their providers and the load of each."""
