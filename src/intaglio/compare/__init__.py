"""What changed between revisions, in settings, data, code and measures, and whether by more than chance."""
