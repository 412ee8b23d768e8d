"""The policy network: features, encoder, retrieval, context and task inference."""
