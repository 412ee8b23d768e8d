"""The policy: features of takes, context encoder, retrieval, policy network, and training batches."""
