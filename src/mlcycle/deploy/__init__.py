"""What a deployment's databases need before its services start; the local platform's as well."""
