"""Rules about steps, learning rates and fields that nobody reads: ODF4xx."""
