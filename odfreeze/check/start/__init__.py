"""Rules about the checkpoint that training starts from: ODF3xx."""
