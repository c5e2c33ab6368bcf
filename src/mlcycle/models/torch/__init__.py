"""Families that train with torch on tables: one loop, rows and networks apart. Prediction needs no torch."""
