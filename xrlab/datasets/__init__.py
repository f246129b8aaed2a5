"""Sets of simulated images, in memory and on disk."""
