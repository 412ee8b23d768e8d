"""What every part of the window shares: actions, state, messages, background tasks."""
