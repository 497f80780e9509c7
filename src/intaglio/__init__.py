"""A reproducible deep-learning workflow: download, train, fine-tune, export, prove, show, report."""
