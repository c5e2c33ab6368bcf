"""How often the monitors and the gate are right: false alarms, catches, coverage, on a year of real data."""
