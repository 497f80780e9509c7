"""Git: revisions, the files of a run at each, what differs between two, and what may be chance."""
