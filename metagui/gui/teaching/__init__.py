"""Ways of teaching: clicks, hand guiding, keyboard, gamepad."""
