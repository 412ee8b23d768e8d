"""Small torch utilities without robot code: MLP, optimizer, safetensors files, worker processes."""
