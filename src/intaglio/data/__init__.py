"""Images: where their bytes come from, how they are stored, and how they become batches."""
