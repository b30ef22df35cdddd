"""Learners: from a log or a market to a policy. The only room that imports torch at the top of its modules."""
