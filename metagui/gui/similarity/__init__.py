"""Similar tasks: ranking, heat map, map, overlays."""
