"""What the outside may ask about the system's health."""
