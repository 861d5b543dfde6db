"""The data folder: the only package that contains SQL."""
