"""The monitors: a module each, which bears the name that projects know it by."""
