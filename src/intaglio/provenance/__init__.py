"""What a result was made from, and how both workflow tools come to know it."""
