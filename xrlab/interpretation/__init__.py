"""From a measured image to an encoding with errors, checks, evidence and a report."""
