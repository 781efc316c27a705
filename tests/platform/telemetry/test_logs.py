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


def test_traceback_is_logged_without_the_variables_of_its_frames() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=True)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["event"] for line in lines] == ["request_failed", "a library failed"]
    for line in lines:
        assert line["exception"][0]["exc_value"] == "it failed"
        assert line["exception"][0]["frames"]
    assert "ms_secret" not in done.stderr
    assert "patient" not in done.stderr
