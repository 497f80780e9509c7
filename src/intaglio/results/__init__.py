"""The metrics files: one format, written by the steps and read by everything else."""
