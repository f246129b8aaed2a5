"""Keras networks, the shipped weights, and what they predict."""
