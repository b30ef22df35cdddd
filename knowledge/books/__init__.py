"""The books of one unit of work, a file a topic: records in, records out. Statements are built, never text."""
