"""Task programs, the scripted demonstrator, and the distribution of training and test tasks."""
