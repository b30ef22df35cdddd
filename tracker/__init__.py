"""The life cycle of proposals, approvals, outcomes, rewards, the audit chain: the rules. Alone moves a status."""
