"""Files in the layout of robomimic: export, import, and the environment in which robomimic tests policies."""
