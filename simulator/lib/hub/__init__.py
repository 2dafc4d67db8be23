"""The made-up hubs: what a repository holds, and how its files get onto the disk."""
