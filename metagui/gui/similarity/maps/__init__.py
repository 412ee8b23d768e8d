"""Maps of the comparison: the heat map of all tasks, and the map of all takes."""
