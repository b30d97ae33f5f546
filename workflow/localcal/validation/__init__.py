"""What the written files come to in the model."""
