"""Vision: a camera over the table tells a real arm where its objects are, live."""
