"""What is asked of us: commands and requests, read and done."""
