"""Images, volumes, labels and prompts as data: geometry, arrays, intensity windows."""
