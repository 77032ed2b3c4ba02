"""Rules about the patterns and what they select: ODF2xx."""
