"""The 3-D view of arm and table: drawing, hints, clicks, placement of objects, playback of takes."""
