"""The vocabulary: frozen records, enums, errors and the ports of every seam. Standard library and NumPy only."""
