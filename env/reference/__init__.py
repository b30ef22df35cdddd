"""Reference markets whose optimum is known exactly, and the logs they leave."""
