"""Words of programs that measure, watch or trace, for the commands that do the same here."""

from __future__ import annotations

from .word import Program, Word

LOAD = "a scenario has its own number of connections: --scenario"
LENGTH = "all rows share the time: --seconds; --rounds says how often"
PROCESSES = "the load takes the processors that the servers leave"
ALONE = "the page can be opened on this machine only; from another: ssh -L PORT:127.0.0.1:PORT"

COMPARE = Program(
    "",
    (
        Word("-c --connections --clients --concurrency -u --users", "--scenario", LOAD),
        Word("-n --requests -d --duration -z -t --time -T", "--seconds", LENGTH),
        Word("--threads", note=PROCESSES),
        Word("-R -q --rps --qps", "--rate", "with --scenario rate"),
        Word("-o -O --output --html", "--out", "a page; --json FILE for programs"),
        Word("-j -f --format", "--json"),
        Word("-w", "--workers"),
        Word("-s --serving-model", "--serving"),
        Word("-i --model", "--io"),
        Word("-a --with --versus --other", "--against"),
        Word("-r --repeat", "--rounds"),
        Word("-p --path --url", "--paths", "a file with one path a line"),
    ),
)

TRACE = Program(
    "",
    (
        Word("-p --pid", "--attach"),
        Word("-o --output", "--html", "a page; --json and --perfetto for programs"),
        Word("-j -f --format", "--json"),
        Word("-n -c --requests --repeat", "--count", "with --attach; --warm-up sends some before"),
        Word("-X --request", "--method"),
        Word("-I --head", "--method", "--method HEAD"),
        Word("-t --time", "--timeout", "with --attach"),
        Word("-e --filter --grep", "--match", "with --attach"),
        Word("-a --all", "--all-io"),
        Word("-s", "--serving"),
        Word("-i --model", "--io"),
        Word("-k --insecure --tls --ssl", "--https", "with a certificate made for it"),
        Word("--url", "TARGET", "PATH stands behind it"),
        Word("-w --workers", note="one worker answers one request"),
    ),
)

TOP = Program(
    "",
    (
        Word("-p --pid", "PID"),
        Word("-n --iterations -b --batch -1", "--once"),
        Word("-d -s --delay --interval -i", "--interval-s"),
        Word("-j", "--json"),
    ),
)

STACKS = Program("", (Word("-p --pid", "PID"), Word("-j", "--json")))

MODELS = Program("", (Word("-j", "--json"),))

LAB = Program(
    "",
    (
        Word("-p -P", "--port"),
        Word("-l -b --bind --host --listen --address", note=ALONE),
        Word("--serving --io --pair --pairs", "--left --right", "each SERVING+IO"),
    ),
)

BY_COMMAND = {
    "compare": COMPARE,
    "trace": TRACE,
    "top": TOP,
    "stacks": STACKS,
    "models": MODELS,
    "lab": LAB,
}
"""By the names of our commands."""
