"""Commands that are no steps: they make nothing that the workflow declares."""
