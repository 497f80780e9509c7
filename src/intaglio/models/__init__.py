"""The networks, and what is done to one when it is given a new task."""
