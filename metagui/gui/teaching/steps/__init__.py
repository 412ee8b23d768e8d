"""Steps of a take: given by keys, listed, changed and recorded again."""
