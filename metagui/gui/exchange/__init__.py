"""Export of takes to the formats of other programs, and import from them, in dialogs that block nothing."""
