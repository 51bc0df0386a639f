"""The life of the unit under a real systemd: one machine, booted twice, and what was seen."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.systemd.conftest import UID, Machine

pytestmark = [pytest.mark.systemd, pytest.mark.root, pytest.mark.slow]


def _messages(facts: Any, priority: str) -> list[str]:
    return [entry["MESSAGE"] for entry in facts["journal"] if entry["PRIORITY"] == priority]


def test_life(machine: Machine, subtests: pytest.Subtests) -> None:
    first = machine.boot("first")
    assert "failed" not in first, f"{first['failed']}\n{first['everything'][-6000:]}"
    for check in CHECKS:
        with subtests.test(check.__name__):
            check(first)
    second = machine.boot("second", wants="jobs.service")
    assert "failed" not in second, f"{second['failed']}\n{second['everything'][-6000:]}"
    assert second["reboot"]["status"] == "completed"
    # Released after a reboot. Here it is lost: under ProtectKernelTunables a container shows
    # the boot id of the machine around it, which was not booted anew.
    outcomes = [attempt["outcome"] for attempt in second["reboot"]["history"]]
    assert outcomes[1:] == ["completed"]
    assert outcomes[0] in ("released", "lost")
    assert second["reboot"]["attempts"] == 1


def install(facts: Any) -> None:
    assert facts["install"]["code"] == 0
    assert facts["install"]["out"] == "/etc/systemd/system/jobs.service\n"
    assert "systemctl enable --now jobs" in facts["install"]["err"]
    assert facts["enable"] == 0
    assert facts["verify"] == ""


def active_when_ready(facts: Any) -> None:
    assert facts["importing"]["ActiveState"] == "activating"
    assert facts["importing health"] == 1
    assert facts["active"]["ActiveState"] == "active"
    assert facts["health"]["code"] == 0, facts["health"]


def sandbox(facts: Any) -> None:
    assert facts["look"]["result"] == {
        "uid": UID,
        "network": "done",
        "declared": "done",
        "code": "Read-only file system",
        "elsewhere": "Read-only file system",
        "state": "done",
        "mode": "0o600",
        "notify": "",
    }
    assert facts["store mode"] == "0o700"


def status_line(facts: Any) -> None:
    assert facts["status"] == "0 running, 1 completed, 1 failed"


def reload(facts: Any) -> None:
    seen = facts["reload"]
    assert (seen["before"], seen["code"]) == (1, 0)
    assert seen["same daemon"]
    assert (seen["running"], seen["broken"]) == ("running", 2)
    long = seen["long"]
    assert (long["status"], long["attempts"], long["result"]) == ("completed", 1, 1)
    assert [attempt["outcome"] for attempt in long["history"]] == ["completed"]
    assert "nothing_of_that_name" in str(facts["journal"])


def how_it_may_end(facts: Any) -> None:
    assert facts["active"]["OOMPolicy"] == "continue"
    assert facts["active"]["KillMode"] == "mixed"
    # Above shutdown_timeout and kill_after, which are two seconds and one.
    assert 3 < _seconds(facts["active"]["TimeoutStopUSec"]) < 60


def _seconds(text: str) -> float:
    units = {"min": 60.0, "ms": 0.001, "s": 1.0}
    parts = re.findall(r"([0-9.]+)(min|ms|s)", text)
    return sum(float(number) * units[unit] for number, unit in parts)


def examples(facts: Any) -> None:
    """They do under the unit what they do in a terminal; a shell job too, where there are."""
    seen = facts["examples"]
    assert seen["install"] == {"code": 0, "verify": ""}
    terminal, unit = seen["_in_the_terminal"], seen["_under_the_unit"]
    for place in (terminal, unit):
        assert place["jobs"].keys() >= {"email", "webhook", "report", "cleanup"}
        for name, job in place["jobs"].items():
            assert (job["status"], job["attempts"]) == ("completed", 1), (name, job["error"])
        assert (place["mails"], place["calls"]) == (1, 1)
        assert "out.csv" in place["files"]
        assert "old.log" not in place["files"]
    assert unit["files"] == terminal["files"]
    assert unit["jobs"].keys() == terminal["jobs"].keys()
    for name in ("report", "cleanup"):
        assert unit["jobs"][name]["result"] == terminal["jobs"][name]["result"]


def crash(facts: Any) -> None:
    assert facts["crash"]["status"] == "completed"
    outcomes = [attempt["outcome"] for attempt in facts["crash"]["history"]]
    assert outcomes == ["lost", "completed"]


def watchdog(facts: Any) -> None:
    assert any("Watchdog timeout" in line for line in facts["everything"].splitlines())
    assert "Fatal Python error: Aborted" in facts["everything"]  # and where it was
    assert facts["watchdog"]["status"] == "completed"
    assert facts["watchdog took"] < 10
    assert facts["idle"]


def stop(facts: Any) -> None:
    assert facts["stop"]["code"] == 0
    assert facts["stop"]["ActiveState"] == "inactive"
    assert facts["stop"]["Result"] == "success"
    assert facts["drained"]["status"] == "completed"
    assert facts["released"]["status"] == "pending"
    assert facts["released"]["attempts"] == 0
    assert facts["stopped health"] == 1


def no_hope(facts: Any) -> None:
    assert facts["refused"]["ExecMainStatus"] == "2"
    # A start that was asked for counts anew.
    assert facts["refused"]["NRestarts"] == "0"


def a_user_of_his_own(facts: Any) -> None:
    assert facts["own unit"] == "active", facts["own"]
    assert facts["own job"]["status"] == "completed"
    assert facts["own stop"] == 0


def levels(facts: Any) -> None:
    assert any('"message": "ready: ' in text for text in _messages(facts, "6"))
    assert any('"message": "recovered ' in text for text in _messages(facts, "4"))
    assert any('"message": "doomed ' in text for text in _messages(facts, "3"))
    assert not any(text.startswith("<") for text in _messages(facts, "6"))


CHECKS = (
    install, active_when_ready, sandbox, status_line, reload, how_it_may_end, crash, watchdog,
    stop, no_hope, a_user_of_his_own, examples, levels,
)  # fmt: skip
