"""``vllm``: serve and bench, of the guide's 0.7.2 and of the current 0.17."""
