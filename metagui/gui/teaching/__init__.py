"""Teaching modes: clicks, hand guiding, leader arm, keyboard, gamepad."""
