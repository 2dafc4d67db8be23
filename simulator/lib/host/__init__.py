"""Tools of the host itself: the card's own, the kernel's, conda, pip, git."""
