"""What every app shares and none owns: errors, ids, pages, JSON lines."""
