"""What runs at services: workflows, their matrix, and reports for people."""
