"""Models behind adapters, one folder or file for each wire format."""
