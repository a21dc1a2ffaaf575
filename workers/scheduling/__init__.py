"""Which model a slot serves next, and when: the policy and what it is asked with."""
