"""The networks, and how one is adapted to new data."""
