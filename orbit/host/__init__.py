"""A configuration brought to life: plugins found, loaded, started and called."""
