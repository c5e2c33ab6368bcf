"""Airflow's side: DAGs out of project files, one operator for every step, runners that start steps.

Knows the contract, the settings, the cycle and the project file; never a step's code, and no ML library.
"""
