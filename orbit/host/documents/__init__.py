"""Plugins that work on documents: connectors, readers, embedders and stores."""
