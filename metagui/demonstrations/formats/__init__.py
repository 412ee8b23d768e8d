"""File formats of other programs: export of takes to LeRobot, robomimic, ACT and MCAP, and import from them."""
