"""Chooses the model of a turn, checks that it supports the turn, and reads its stream."""
