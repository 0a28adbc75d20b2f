"""CI: workflows, their matrix, and reports for people."""
