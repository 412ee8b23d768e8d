"""Learning from demonstrations: MAML adaptation, Siamese similarity and closed-loop evaluation."""
