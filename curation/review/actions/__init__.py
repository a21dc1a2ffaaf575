"""The only writers of tasks' slots, reviews, revisions and decisions.

    lease ──▶ draft ──submit──▶ submitted ──undo──▶ retracted, and a new draft
                │ ▲
        expiry  ▼ │ resumed, if a slot is free
           draft without lease: its content stays

Locks are taken in one order: task, review, item.
"""
