"""Training of Heddle's own small text-to-image model: data, autoencoder, transformer, export."""
