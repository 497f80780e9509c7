"""The settings in params.yaml: one pydantic model a section, one reader for every tool."""
