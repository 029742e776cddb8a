"""Texts to values with positions, in the dialect of the program that reads them."""
