"""Images: the sets, how their files are decoded and divided, the prepared file, and batches."""
