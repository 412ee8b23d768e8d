"""What was learnt: MAML adaptation, Siamese similarity, and running a policy."""
