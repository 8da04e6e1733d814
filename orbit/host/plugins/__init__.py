"""Plugin classes: found, verified, loaded and described. Starts nothing."""
