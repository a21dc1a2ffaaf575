"""A queue's numbers: who wins, who agrees, and how sure that is."""
