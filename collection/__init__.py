"""What enters: sources, the parsing and validation of decision logs and panels, and what was rejected and why."""
