"""Training of any classifier: it takes a model, batches and a loss, and knows nothing of images."""
