"""Training: it takes a network, batches and a task, and knows nothing of images."""
