"""Families that train with torch on tables: one loop, data and networks apart from it. Prediction needs no torch."""
