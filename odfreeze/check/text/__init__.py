"""Rules about the text and the schema of a config: ODF1xx."""
