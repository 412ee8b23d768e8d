"""The camera over a real arm's table: its set-up, its picture, clicks in it, and what is wrong with it."""
