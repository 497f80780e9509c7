"""Revisions side by side: what changed in settings, data, code and metrics, and whether by more than chance."""
