"""What serves the lessons only: checks, progress, glossary, the business case."""
