import json
import subprocess
import sys

PROGRAM = """
import logging, structlog
from mainstay.platform.telemetry import configure_logging
configure_logging("test")
def fail(key):
    secret_question = "what the patient has"
    raise ValueError("it failed")
try:
    fail("ms_secret")
except ValueError as error:
    structlog.get_logger("ours").error("request_failed", exc_info=error)
    logging.getLogger("theirs").error("a library failed", exc_info=True)
"""

TASKS = """
import asyncio, structlog
from mainstay.platform.telemetry import configure_logging, name_task
configure_logging("test", level="INFO")
made = []
async def work(name):
    name_task(lambda: made.append(name) or {"job_id": name, "attempt": 1})
    structlog.get_logger().debug("not written")
    if name == "b":
        structlog.get_logger().info("written", attempt=2)
async def main():
    await asyncio.gather(*(asyncio.create_task(work(name)) for name in "abc"))
    structlog.get_logger().info("ended", made=made)
asyncio.run(main())
"""


def test_lines_of_a_task_have_its_fields_which_are_made_only_for_them() -> None:
    done = subprocess.run([sys.executable, "-c", TASKS], capture_output=True, text=True, timeout=60, check=True)
    written, ended = (json.loads(line) for line in done.stderr.splitlines())
    # What a line says itself goes before.
    assert (written["job_id"], written["attempt"], written["service"]) == ("b", 2, "test")
    assert ended["made"] == ["b"]
    assert "job_id" not in ended


def test_traceback_is_logged_without_the_variables_of_its_frames() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=True)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["event"] for line in lines] == ["request_failed", "a library failed"]
    for line in lines:
        assert line["exception"][0]["exc_value"] == "it failed"
        assert line["exception"][0]["frames"]
    assert "ms_secret" not in done.stderr
    assert "patient" not in done.stderr
