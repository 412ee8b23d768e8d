"""Similar tasks: ranked list, heat map, map of embeddings, histogram of distances, overlay of two takes."""
