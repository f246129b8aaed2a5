"""What a detector does to an image, and how to undo it."""
