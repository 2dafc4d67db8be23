"""Every text is translated, and a translation holds what its text holds."""

import re
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from django.utils.translation import override

from dashboard.management.commands import translations as command
from dashboard.management.commands.translations import DOMAINS, Text, problems, stored, untranslated
from dashboard.text.labels import setting_title, step_title, unit_word
from dashboard.text.messages import message
from jobs.kinds import KINDS
from tests.jobs.lib.target import PARAMS, here
from tests.jobs.lib.vacc_target import VACC_PARAMS, vacc_host

# Placeholders, an escaped per cent, and the tags of a message with markup.
_HELD = re.compile(r"%\(\w+\)[a-z]|%%|\{\w*\}|<[^>]+>")
# A full stop, comma, colon or question mark of English right after a Chinese character.
_HALF_WIDTH = re.compile(r"[\u4e00-\u9fff][,.;:?!](?:\s|$)")
# The key of a tool's own file, such as "frontend.dtype", is the same in every language.
_KEY = re.compile(r"[a-z0-9_.-]+")
_TYPED_SPACE = re.compile(r"[\u4e00-\u9fff]\s+[\u4e00-\u9fff]")


def messages(domain: str) -> list[Message]:
    return [message for message in stored(domain) if message.id]


def forms(message: Message) -> list[tuple[str, str]]:
    """Each translation with the English that it stands for; one form in Chinese: the plural."""
    if isinstance(message.id, str):
        return [(message.id, str(message.string))]
    assert message.string is not None
    assert len(message.string) == 1
    return [(message.id[-1], message.string[0])]


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_text_is_translated(domain: str) -> None:
    assert untranslated(domain) == []


def test_the_catalogues_are_complete_and_compiled() -> None:
    assert problems() == []


@pytest.mark.parametrize("domain", DOMAINS)
def test_no_translation_is_a_guess(domain: str) -> None:
    assert [message.id for message in messages(domain) if message.fuzzy] == []


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_translation_holds_what_its_text_holds(domain: str) -> None:
    wrong = [
        (english, chinese)
        for message in messages(domain)
        for english, chinese in forms(message)
        if chinese and sorted(_HELD.findall(english)) != sorted(_HELD.findall(chinese))
    ]
    assert wrong == []


@pytest.mark.parametrize("domain", DOMAINS)
def test_chinese_messages_have_their_own_punctuation(domain: str) -> None:
    wrong = [
        chinese
        for message in messages(domain)
        for _english, chinese in forms(message)
        if _HALF_WIDTH.search(chinese) or _TYPED_SPACE.search(chinese)
    ]
    assert wrong == []


@pytest.mark.parametrize("domain", DOMAINS)
def test_accuracy_has_one_word_in_chinese(domain: str) -> None:
    """The glossary's; the other one stood beside it on the same page."""
    texts = [text for message in messages(domain) for _, text in forms(message)]

    assert [text for text in texts if "正确率" in text] == []


def test_a_message_has_translated_states_steps_and_inputs() -> None:
    with override("zh-hans"):
        assert "失败" in message("job:predecessor", {"job": 3, "state": "failed"})
        assert "测量" in message("work:exit", {"step": "measure", "exit_code": 1})
        assert "产物" in message("job:input_gone", {"input": "artifact"})


def test_an_unknown_name_stays_as_it_is() -> None:
    with override("zh-hans"):
        assert "odd" in message("job:predecessor", {"job": 3, "state": "odd"})
        assert (step_title("odd"), setting_title("odd"), unit_word("ms")) == ("odd", "odd", "ms")


def test_one_of_several_steps_is_called_after_its_sort() -> None:
    with override("zh-hans"):
        assert step_title("measure-4") == f"{step_title('measure')} 4"
        assert step_title("odd-4") == "odd-4"


@pytest.mark.parametrize(("kind", "raw"), [*PARAMS, *VACC_PARAMS])
def test_every_step_and_setting_has_a_name_in_chinese(kind: str, raw: dict[str, object]) -> None:
    module = KINDS[kind]
    params = module.Params(**raw)
    target = here() if (kind, raw) in PARAMS else vacc_host()
    steps = [step.name for step in module.plan(params, target).steps]
    names = [step_title(name) for name in steps]
    fields = [setting_title(name) for name in module.Params.model_fields]

    with override("zh-hans"):
        assert not {step_title(name) for name in steps} & set(names)
        same = {setting_title(name) for name in module.Params.model_fields} & set(fields)
        assert not {title for title in same if not _KEY.fullmatch(title)}


def test_a_text_that_loses_its_plural_keeps_its_translation(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(command, "FOLDER", tmp_path)
    old = Catalog(locale=command.LOCALE)
    old.add(("%(n)s run", "%(n)s runs"), ("%(n)s 次运行",))
    (tmp_path / "django.po").write_bytes(command.po_bytes(old))
    monkeypatch.setitem(command.DOMAINS, "django", lambda: [Text("%(n)s run", "a.py")])

    collected = command.collected("django")

    assert collected.get("%(n)s run").string == "%(n)s 次运行"
