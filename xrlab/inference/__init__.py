"""Readers without training: Delta-PDF, maximum likelihood, the physical fit, and metrics."""
