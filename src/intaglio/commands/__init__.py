"""Commands that are not steps: they write nothing that the workflow declares."""
