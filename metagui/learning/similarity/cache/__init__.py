"""Embeddings and paths of takes, stored in the user's cache folder by the content of the takes' files."""
