"""What networks learn: losses, scores, and what a network's input is."""
