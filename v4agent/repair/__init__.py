"""Repair without a model: localisation by coverage, one-edit changes, and the tests as judge."""
