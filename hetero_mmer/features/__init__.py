"""Arrays and sentences become items with times: alignment, padding, text, dialogue."""
