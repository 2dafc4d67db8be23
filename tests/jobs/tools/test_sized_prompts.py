"""Prompts of a chosen length: sized.py, with a tokenizer of three letters a token."""

import random
from types import SimpleNamespace

import pytest

from jobs.tools.lib.scripts import sized

WORDS = ["ask", "bee", "cat", "dog"]


class Tokenizer:
    """A word of three letters is a token, and so is each further three, also begun ones."""

    texts = (*(f" {word}" for word in WORDS), " spoken", " A", "12", "<s>")

    def get_vocab_size(self):
        return len(self.texts)

    def decode(self, numbers):
        return "".join(self.texts[number] for number in numbers)

    def encode(self, text, add_special_tokens):
        assert add_special_tokens is False
        return SimpleNamespace(ids=[0] * sum(-(-len(word) // 3) for word in text.split()))


def test_words_are_those_of_one_token():
    assert sized.words_of(Tokenizer()) == WORDS


@pytest.mark.parametrize("tokens", [1, 7, 300])
def test_a_prompt_has_exactly_the_tokens(tokens):
    text = sized.sized(Tokenizer(), WORDS, tokens, random.Random(1))

    assert sized.length(Tokenizer(), text) == tokens


def test_longer_words_give_the_next_length():
    text = sized.sized(Tokenizer(), ["spoken"], 9, random.Random(1))
    assert sized.length(Tokenizer(), text) in (9, 10)


def test_a_seed_makes_the_same_prompt_again():
    def made(seed):
        return sized.sized(Tokenizer(), WORDS, 50, random.Random(seed))

    assert made(1) == made(1)
    assert made(1) != made(2)
