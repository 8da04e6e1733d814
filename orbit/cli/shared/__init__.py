"""Pieces that several subcommands share."""
