"""Small widgets that know nothing of arms or tasks."""
