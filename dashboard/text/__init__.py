"""Ids and values to words, in the viewer's language.
Here: messages, labels, numbers, times, states; each imports only `jobs` and this room.
Not here: anything that asks for a person, a request or rows of a page (`pages`).
"""
