"""From a trained network to a compressed one: prune, share, fine-tune, encode (Deep Compression, Han et al., 2016)."""
