"""Both workflow tools: their jobs, what each records as up to date, and how the two are kept in agreement."""
