"""Rules about records, label maps, image sizes and evaluation: ODF5xx."""
