"""From an address to verified files."""
