"""How a column of the matrix becomes a household in the model."""
