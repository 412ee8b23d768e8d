"""The MuJoCo arm on its table: scene, physics, digital twin and rendering."""
