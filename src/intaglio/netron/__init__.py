"""Netron: the interactive viewer, and pictures taken from it."""
