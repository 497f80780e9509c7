"""A run held against one that is recorded in git: the same, the same but for noise, or different, and why."""
