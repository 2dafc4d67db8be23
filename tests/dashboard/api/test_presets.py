"""Presets of chats over the API."""

from jobs.models import ChatPreset

BRIEF = {"name": "Brief", "params": {"system": "Be brief.", "temperature": 0.2, "stop": ["END"]}}


def test_a_preset_is_added_listed_and_read(lin):
    made = lin.post("chat-presets", BRIEF)

    row, shown = ChatPreset.objects.get(), made.json()
    assert (made.status_code, shown["id"], shown["created_by"]) == (201, row.pk, "lin")
    assert BRIEF.items() <= shown.items()
    assert lin.get(f"chat-presets/{row.pk}").json() == shown
    assert lin.get("chat-presets").json()["presets"] == [shown]


def test_a_change_leaves_what_it_does_not_name(lin):
    number = lin.post("chat-presets", BRIEF).json()["id"]

    named = lin.send("patch", f"chat-presets/{number}", {"name": "Terse"}).json()
    changed = lin.send("patch", f"chat-presets/{number}", {"params": {"top_k": 20}}).json()

    assert (named["name"], named["params"]) == ("Terse", BRIEF["params"])
    assert (changed["name"], changed["params"]) == ("Terse", {"top_k": 20})


def test_a_wrong_parameter_is_named_at_its_field(lin):
    def refused(params):
        return lin.post("chat-presets", {"name": "Brief", "params": params}).json()["fields"]

    assert [*refused({"temperature": 9})] == ["params.temperature"]
    assert [*refused({"stop": ["x"] * 17})] == ["params.stop"]
    assert [*refused({"heat": 9})] == ["params.heat"]
    assert [*refused({})] == ["params.system"]
    assert not ChatPreset.objects.exists()
