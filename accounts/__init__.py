"""Who may call the API: projects and their keys."""
