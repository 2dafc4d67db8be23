"""What belongs to the host: the card's own tool, the kernel's, conda, pip, git."""
