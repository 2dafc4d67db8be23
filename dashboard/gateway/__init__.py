"""The gateway: one OpenAI-compatible address in front of all deployments.
Here: keys and engines from memory, limits of keys, passing of bytes, use per key and hour.
Not here: the chat of this dashboard (`chat`); prompts and answers, which are stored nowhere.
"""
