"""The report: tables, figures and one page that opens from disk."""
