"""Whether the files on disk are those of a committed run, and if not, why."""
