"""Small torch helpers that know nothing of robots: an MLP, an optimizer, files, processes."""
