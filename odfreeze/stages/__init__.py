"""Staged fine-tuning: plans, drafted or read, in; staged configs out."""
