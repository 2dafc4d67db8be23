from jobs.base.sanitize import sanitize


def test_a_number_that_is_none_becomes_null():
    values = {"a": float("nan"), "b": float("inf"), "c": 10**400, "d": -(2**63) - 1}

    assert sanitize(values) == dict.fromkeys(values)


def test_counts_flags_and_rates_stay_what_they_are():
    values = {"a": 2**63 - 1, "b": True, "c": -1.5, "d": [0]}

    assert sanitize(values) == values
    assert sanitize(True) is True
