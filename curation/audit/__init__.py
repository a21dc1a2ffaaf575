"""The audit log: who did what, in the same transaction, never changed."""
